// The cost of finding and ending trees among 2000 processes: `npm run build && node bench/tree.js [instances]`.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { processTable } from '../dist/src/process/tree/proc-table.js';
import { createTrees } from '../dist/src/process/tree/tree.js';
import { realClock } from '../dist/src/world/clock.js';

const instances = Number(process.argv[2] ?? 1000);
const trees = createTrees(processTable, realClock);
const { scanner } = trees;
// Each tree is a program in a group of its own and a daemon in a session of its own.
const grow = async n => {
  const id = `bench-${process.pid}-${n}`;
  const child = spawn('sh', ['-c', 'setsid sh -c "echo x; exec sleep 900" & exec sleep 900'], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { PATH: process.env.PATH, HOME: '/root', SPEARLET_INSTANCE_ID: id },
  });
  const tree = trees.track(id, child.pid);
  await once(child.stdout, 'data');
  child.stdout.destroy();
  return tree;
};
const measured = async (name, act) => {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const cpu = process.cpuUsage();
  const began = performance.now();
  const { fullScans } = scanner.stats;
  await act();
  const ms = performance.now() - began;
  delay.disable();
  const { user, system } = process.cpuUsage(cpu);
  const row = {
    name,
    ms: Math.round(ms),
    cpuMs: Math.round((user + system) / 1000),
    fullScans: scanner.stats.fullScans - fullScans,
    lagP99: Number((delay.percentile(99) / 1e6).toFixed(1)),
    lagMax: Number((delay.max / 1e6).toFixed(1)),
  };
  console.log(JSON.stringify(row));
};

const grown = [];
for (let n = 0; n < instances; n += 50) grown.push(...(await Promise.all(Array.from({ length: 50 }, (_, i) => grow(n + i)))));
console.log(`${processTable.pids().length} processes`);
process.on('exit', () => {
  for (const tree of grown) processTable.signalGroup(tree.root.pid, 'SIGKILL');
});
await measured('first full scan: every environment is read', () => scanner.scan());
for (let n = 0; n < 3; n += 1) await measured('further full scan', () => scanner.scan());
await measured('1000 scans of the new pids', async () => {
  for (let n = 0; n < 1000; n += 1) scanner.scanNew();
});
await measured('full scan, blocking', async () => scanner.scanSync());
await measured('one tree ends', () => grown[0].end());
await measured('ten trees end at once', () => Promise.all(grown.slice(1, 11).map(tree => tree.end())));
await measured('all others end at once', () => Promise.all(grown.slice(11).map(tree => tree.end(10_000))));
const left = processTable
  .pids()
  .filter(pid => processTable.entry(pid)?.living && String(processTable.cookie(pid)).startsWith(`bench-${process.pid}-`));
console.log(`left: ${left.length}`);
