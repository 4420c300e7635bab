// How long a program takes from its spawn until it is ready, in pairs: limit-tcp (a plain Node program that connects to a net server
// and says hello) and an agent of spearlet, two at a time, in turns: `npm run build && node bench/startup.js [spawns] [--json]`.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createSpearlet } from '../dist/src/index.js';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: 'boolean' } } });
const spawns = Number(positionals[0] ?? 50);
const file = name => fileURLToPath(new URL(`agents/${name}`, import.meta.url));
const median = times => times.sort((a, b) => a - b)[times.length >> 1];

/** The same clean environment as an agent gets. */
const env = Object.fromEntries(['PATH', 'HOME', 'LANG'].flatMap(name => (process.env[name] ? [[name, process.env[name]]] : [])));

/** Its listener, a process that connects to it, and the first bytes. */
async function limit() {
  const began = performance.now();
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const child = spawn(process.execPath, [file('hello.js'), String(server.address().port)], { env, stdio: ['pipe', 'pipe', 'pipe'] });
  const exited = once(child, 'exit');
  const [socket] = await once(server, 'connection');
  await once(socket, 'data');
  const ms = performance.now() - began;
  socket.destroy();
  server.close();
  await exited;
  return ms;
}

const spearlet = createSpearlet({ logger: false });
async function agent() {
  const began = performance.now();
  const instance = await spearlet.start({ artifactId: 'startup', command: process.execPath, args: [file('spearlet.js')] });
  const ms = performance.now() - began;
  await instance.stop();
  return ms;
}

const times = { limit: [], agent: [] };
const cpu = { limit: 0, agent: 0 };
const pair = async (name, run) => {
  const before = process.cpuUsage();
  times[name].push(...(await Promise.all([run(), run()])));
  const { user, system } = process.cpuUsage(before);
  cpu[name] += (user + system) / 1_000;
};
for (let n = -2; n < spawns; n += 2) {
  // The first pair loads and compiles.
  if (n === 0) {
    for (const each of Object.values(times)) each.length = 0;
    cpu.limit = cpu.agent = 0;
  }
  await pair('limit', limit);
  await pair('agent', agent);
}
await spearlet.stop();
const round = value => Math.round(value * 100) / 100;
const [limitMs, agentMs] = [median(times.limit), median(times.agent)];
const figures = {
  spawns,
  limitMs: round(limitMs),
  agentMs: round(agentMs),
  ratio: round(agentMs / limitMs),
  hostCpuMs: { limit: round(cpu.limit / spawns), agent: round(cpu.agent / spawns) },
};
console.log(values.json ? JSON.stringify(figures) : figures);
