// The cost and the effect of a namespace: `npm run build && node bench/contained.js [runs]`. Measures spawns, and kills hosts
// that run a program of each of the twelve shapes and the two hidden ones.
import { spawn as start } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { probeNamespace } from '../dist/src/process/containment/namespace.js';
import { createOutput } from '../dist/src/process/output/output.js';
import { createSpawn, spawnProgram } from '../dist/src/process/spawn.js';
import { processTable } from '../dist/src/process/tree/proc-table.js';
import { createTrees } from '../dist/src/process/tree/tree.js';
import { realClock } from '../dist/src/world/clock.js';
import { hidden, shapes } from '../test/agents/tree.js';

const runs = Number(process.argv[2] ?? 30);
const environment = { PATH: process.env.PATH };
const trees = createTrees(processTable, realClock);
const spawn = createSpawn(trees, realClock);
const quantile = (values, q) =>
  Number([...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(q * values.length))].toFixed(2));
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

const began = performance.now();
const namespace = await probeNamespace(spawnProgram, realClock, environment);
console.log(JSON.stringify({ probe: { works: namespace.works, why: namespace.why, ms: Number((performance.now() - began).toFixed(1)) } }));

for (const how of ['plain', 'namespace']) {
  const [call, announced, spoke] = [[], [], []];
  for (let n = 0; n < 100; n += 1) {
    const at = performance.now();
    await new Promise(resolve => {
      const followers = new Set([{ next: () => spoke.push(performance.now() - at) }]);
      const program = {
        ...(how === 'plain' ? {} : { namespace }),
        command: '/bin/echo',
        args: ['x'],
        workingDirectory: '/',
        environment: { ...environment, SPEARLET_INSTANCE_ID: `bench-${process.pid}-${how}-${n}` },
      };
      spawn(program, createOutput(100, followers), {
        spawned: () => announced.push(performance.now() - at),
        failed: error => console.log(String(error)),
        exited() {},
        closed() {},
        ended: resolve,
      });
      call.push(performance.now() - at);
    });
  }
  const row = values => ({ p50: quantile(values, 0.5), p99: quantile(values, 0.99) });
  console.log(JSON.stringify({ spawn: how, callMs: row(call), pidKnownMs: row(announced), firstOutputMs: row(spoke) }));
}

const living = prefix =>
  processTable.pids().filter(pid => processTable.entry(pid)?.living && String(processTable.cookie(pid)).startsWith(prefix));
const host = fileURLToPath(new URL('../test/agents/contained-host.js', import.meta.url));
for (const how of ['namespace', 'plain']) {
  const left = { at100: [], at500: [] };
  let before = 0;
  for (let n = 0; n < runs; n += 1) {
    const prefix = `bench-host-${process.pid}-${how}-${n}`;
    // Without a namespace the hidden ones would be lost and stay alive.
    const all = [...Object.keys(shapes), ...(how === 'namespace' ? Object.keys(hidden) : [])];
    const child = start(process.execPath, [host, how, prefix, ...all], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    before += living(prefix).length;
    child.kill('SIGKILL');
    await once(child, 'exit');
    await sleep(100);
    left.at100.push(living(prefix).length);
    await sleep(400);
    left.at500.push(living(prefix).length);
    for (const shape of all)
      await trees.trackStale(`${prefix}-${shape}`, { pid: 0, startTime: processTable.entry(process.pid).startTime }).end();
  }
  const sum = values => values.reduce((total, each) => total + each, 0);
  console.log(JSON.stringify({ killedHosts: how, runs, livedBefore: before, leftAt100ms: sum(left.at100), leftAt500ms: sum(left.at500) }));
}
