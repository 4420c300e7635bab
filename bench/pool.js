// `node bench/pool.js [--quick] [--json]`: a pool of two beside one instance, and beside piscina and tinypool where they are
// installed (bench/package.json); three rounds, medians. P1: one echo at a time, the median in µs. P2: 256 callers, requests a
// second. P3: the first execution on a warm spare, from the call to the result, the median and the greatest in ms.
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { createSpearlet } from 'spearlet';

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } } });
const scale = values.quick ? 0.1 : 1;
const ROUNDS = 3;
const MEMBERS = 2;
const agent = fileURLToPath(new URL('./agents/spearlet.js', import.meta.url));
const spec = { artifactId: 'bench', command: process.execPath, args: [agent] };
const median = numbers => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];

const echoOf = target => async text => (await target.execute({ command: 'echo', args: [text] }).result).output;
const pooled = (name, options) => ({
  name,
  async open() {
    const spearlet = createSpearlet({ logger: false });
    const pool = spearlet.pool(spec, { min: MEMBERS, ...options });
    await pool.ready;
    return { echo: echoOf(pool), close: () => spearlet.stop() };
  },
});
const instance = {
  name: 'spearlet, one instance',
  async open() {
    const spearlet = createSpearlet({ logger: false });
    return { echo: echoOf(await spearlet.start(spec)), close: () => spearlet.stop() };
  },
};
/** A pool of worker threads; null where it is not installed. */
async function threads(name) {
  const module = await import(name).catch(() => null);
  if (module === null) return null;
  const worker = join(tmpdir(), `spearlet-bench-${process.pid}.mjs`);
  writeFileSync(worker, 'export default text => text;\n');
  const Threads = module.Piscina ?? module.default;
  return {
    name: `${name}, threads`,
    async open() {
      const pool = new Threads({ filename: pathToFileURL(worker).href, minThreads: MEMBERS, maxThreads: MEMBERS });
      return { echo: text => pool.run(text), close: () => pool.destroy() };
    },
  };
}

async function echoes({ echo }, total, callers) {
  let left = total;
  const times = [];
  const caller = async () => {
    while (left > 0) {
      left -= 1;
      const began = performance.now();
      if ((await echo('hello')) !== 'hello') throw new Error('wrong answer');
      times.push(performance.now() - began);
    }
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: callers }, caller));
  return { times, ms: performance.now() - began };
}

const p1 = async peer => {
  await echoes(peer, 1_000 * scale, 1);
  return 1_000 * median((await echoes(peer, 10_000 * scale, 1)).times);
};
const p2 = async peer => {
  const total = 100_000 * scale;
  await echoes(peer, total / 10, 256);
  return (1_000 * total) / (await echoes(peer, total, 256)).ms;
};

/** Each first execution is on a spare: the others hold their members. */
async function spares() {
  const spearlet = createSpearlet({ logger: false });
  const size = 20;
  const pool = spearlet.pool(spec, { min: 0, max: size, warm: size });
  const times = [];
  while (pool.stats().members.length < size) await new Promise(resolve => setTimeout(resolve, 10));
  for (let n = 0; n < size; n += 1) {
    const began = performance.now();
    const execution = pool.execute({ command: 'cpu' });
    // It is on its way when execute() returns.
    times.push(performance.now() - began);
    if (pool.stats().waiting > 0) throw new Error('it waits');
    await execution.result;
  }
  await spearlet.stop();
  return times;
}

const peers = [
  instance,
  pooled('spearlet, pool', {}),
  pooled('spearlet, pool, 128 at once', { maxConcurrency: 128 }),
  await threads('piscina'),
  await threads('tinypool'),
].filter(peer => peer !== null);
const figures = new Map(peers.map(({ name }) => [name, { P1: [], P2: [] }]));
for (let round = 0; round < ROUNDS; round += 1)
  for (const { name, open } of peers) {
    const peer = await open();
    figures.get(name).P1.push(await p1(peer));
    figures.get(name).P2.push(await p2(peer));
    await peer.close();
  }
const begin = await spares();
const rows = [...figures].map(([peer, { P1, P2 }]) => ({
  peer,
  'P1 µs': Number(median(P1).toFixed(1)),
  'P2 req/s': Math.round(median(P2)),
}));
const start = { 'P3 begins after ms, median': Number(median(begin).toFixed(3)), greatest: Number(Math.max(...begin).toFixed(3)) };
if (values.json) console.log(JSON.stringify({ rows, start }));
else {
  console.table(rows);
  console.log(start);
}
