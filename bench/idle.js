// What a connected instance costs the host while it does nothing, at the default options:
// `npm run build && node --expose-gc bench/idle.js [instances] [--spawn] [--shared] [--cpu [seconds]] [--kinds] [--json]`.
// Heap, buffers and RSS of the host for one instance; `--kinds` says by a heap snapshot what takes the heap. `--cpu`: the CPU of
// the host over 20 s, as a part of a core. By default the agents are external, many in one process; `--spawn` starts a program each.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createSpearlet } from '../dist/src/index.js';
import { growth, mark } from './heap.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    spawn: { type: 'boolean' },
    shared: { type: 'boolean' },
    cpu: { type: 'boolean' },
    seconds: { type: 'string', default: '20' },
    kinds: { type: 'boolean' },
    depth: { type: 'string', default: '14' },
    json: { type: 'boolean' },
  },
});
const instances = Number(positionals[0] ?? (values.spawn ? 20 : 200));
const file = name => fileURLToPath(new URL(name, import.meta.url));
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));
const settle = async () => {
  for (let n = 0; n < 3; n += 1) {
    globalThis.gc();
    await sleep(50);
  }
  return process.memoryUsage();
};

const spearlet = createSpearlet({ listener: values.shared ? 'shared' : 'perInstance' });
const agents = spawn(process.execPath, [file('agents/many.js')], { stdio: ['pipe', 'inherit', 'inherit'] });
/** Starts this many instances, at most 8 at a time, and resolves when all are ready. */
async function start(count) {
  let left = count;
  const worker = async () => {
    while (left > 0) {
      left -= 1;
      if (values.spawn) await spearlet.start({ command: process.execPath, args: [file('agents/spearlet.js')], artifactId: 'idle' });
      else {
        const { environment, ready } = spearlet.expect({ artifactId: 'idle' });
        agents.stdin.write(`${JSON.stringify(environment)}\n`);
        await ready;
      }
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

// What the first instances load and compile is not counted.
await start(values.spawn ? 4 : 20);
const since = values.kinds ? await mark() : 0;
const before = await settle();
await start(instances);
const after = await settle();
const each = name => Math.round(((after[name] - before[name]) / instances / 1_024) * 10) / 10;
const figures = { instances, heapKiB: each('heapUsed'), externalKiB: each('external'), rssKiB: each('rss') };

if (values.kinds) {
  const { total, kinds, paths } = await growth(since, Number(values.depth));
  figures.snapshotKiB = Math.round((total / instances / 1_024) * 10) / 10;
  const row = ({ name, bytes, count }) =>
    `${(bytes / instances / 1_024).toFixed(2).padStart(8)} KiB ${(count / instances).toFixed(1).padStart(7)}  ${name}`;
  console.log(kinds.slice(0, 60).map(row).join('\n'));
  if (values.depth > 0)
    console.log(
      paths
        .filter(({ bytes }) => bytes / instances > 300)
        .map(row)
        .join('\n'),
    );
}
if (values.cpu) {
  await sleep(10_000);
  const cpu = process.cpuUsage();
  const began = performance.now();
  await sleep(Number(values.seconds) * 1_000);
  const { user, system } = process.cpuUsage(cpu);
  figures.cpuPercent = Math.round(((user + system) / 1_000 / (performance.now() - began)) * 10_000) / 100;
}
console.log(values.json ? JSON.stringify(figures) : figures);
await spearlet.stop();
agents.stdin.end();
