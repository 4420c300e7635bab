// `node bench/pool.js [--quick] [--json]`: a pool of two beside one instance, and beside piscina and tinypool; three rounds, medians.
// As in workloads.js, W1: one echo at a time, the median in µs. W2: 256 callers, requests a second. W4: 4 callers, echoes of
// 1 MiB, MB/s. W5: from nothing to the first answer, in ms. A spare: how long the first execution on it takes to begin, in ms.
// W3 is not here: a worker of piscina or tinypool answers once.
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { createSpearlet } from '../dist/src/index.js';
import { install } from './install.js';

install();
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
const worker = join(tmpdir(), `spearlet-bench-${process.pid}.mjs`);
writeFileSync(worker, 'export default text => text;\n');
process.once('exit', () => rmSync(worker));
/** A pool of workers of a package. */
async function workers(name, what, options) {
  const { Piscina, Tinypool } = await import(name);
  const Workers = Piscina ?? Tinypool;
  return {
    name: `${name}, ${what}`,
    async open() {
      const pool = new Workers({ filename: pathToFileURL(worker).href, minThreads: MEMBERS, maxThreads: MEMBERS, ...options });
      return { echo: text => pool.run(text), close: () => pool.destroy() };
    },
  };
}

async function echoes({ echo }, total, callers, text = 'hello') {
  let left = total;
  const times = [];
  const caller = async () => {
    while (left > 0) {
      left -= 1;
      const began = performance.now();
      if ((await echo(text)) !== text) throw new Error('wrong answer');
      times.push(performance.now() - began);
    }
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: callers }, caller));
  return { times, ms: performance.now() - began };
}

const w1 = async peer => {
  await echoes(peer, 1_000 * scale, 1);
  return 1_000 * median((await echoes(peer, 10_000 * scale, 1)).times);
};
const w2 = async peer => {
  const total = 100_000 * scale;
  await echoes(peer, total / 10, 256);
  return (1_000 * total) / (await echoes(peer, total, 256)).ms;
};
const LARGE = 'x'.repeat(2 ** 20);
const w4 = async peer => {
  const total = 200 * scale;
  await echoes(peer, 20, 4, LARGE);
  return (total * LARGE.length) / 1_000 / (await echoes(peer, total, 4, LARGE)).ms;
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
  await workers('piscina', 'threads', {}),
  await workers('tinypool', 'threads', {}),
  await workers('tinypool', 'processes', { runtime: 'child_process' }),
];
const figures = new Map(peers.map(({ name }) => [name, { W1: [], W2: [], W4: [], W5: [] }]));
for (let round = 0; round < ROUNDS; round += 1)
  for (const { name, open } of peers) {
    const began = performance.now();
    const peer = await open();
    if ((await peer.echo('hello')) !== 'hello') throw new Error('wrong answer');
    const { W1, W2, W4, W5 } = figures.get(name);
    W5.push(performance.now() - began);
    W1.push(await w1(peer));
    W2.push(await w2(peer));
    W4.push(await w4(peer));
    await peer.close();
  }
const begin = await spares();
const rows = [...figures].map(([peer, { W1, W2, W4, W5 }]) => ({
  peer,
  'W1 µs': Number(median(W1).toFixed(1)),
  'W2 req/s': Math.round(median(W2)),
  'W4 MB/s': Math.round(median(W4)),
  'W5 ms': Number(median(W5).toFixed(1)),
}));
const start = { 'a spare begins after ms, median': Number(median(begin).toFixed(3)), greatest: Number(Math.max(...begin).toFixed(3)) };
if (values.json) console.log(JSON.stringify({ rows, start }));
else {
  console.table(rows);
  console.log(start);
}
