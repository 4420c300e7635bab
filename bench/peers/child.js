// The processes of agents that do not speak spearlet.
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export const agentFile = name => fileURLToPath(new URL(`../agents/${name}`, import.meta.url));

/** Stdin is a pipe that only the host holds: its end tells an agent that does not connect to the host that the host is gone. */
export const spawnAgent = (name, ...args) =>
  spawn(process.execPath, [agentFile(name), ...args.map(String)], { stdio: ['pipe', 'pipe', 'inherit'] });

export const forkAgent = (name, ...args) => fork(agentFile(name), args.map(String), { serialization: 'json' });

export async function exited(child) {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}
