// The processes of agents that do not speak spearlet.
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export const agentFile = name => fileURLToPath(new URL(`../agents/${name}`, import.meta.url));

export const spawnAgent = (name, ...args) =>
  spawn(process.execPath, [agentFile(name), ...args.map(String)], { stdio: ['ignore', 'pipe', 'inherit'] });

export const forkAgent = (name, ...args) => fork(agentFile(name), args.map(String), { serialization: 'json' });

export async function exited(child) {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}
