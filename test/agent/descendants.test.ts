// What an agent reads of the processes of its system: who lives, whose child it is, and of which execution it is.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { entryOf, scanProcesses } from '../../src/agent/descendants.ts';
import { signalProcess } from '../../src/process/tree/proc-read.ts';
import { type ProcessEntry, processTable } from '../../src/process/tree/proc-table.ts';
import { atEnd } from '../census/census.ts';

/** SIGKILL to all processes of an execution, until none is left. */
function endExecution(id: string): void {
  for (;;) {
    const scan = scanProcesses()!;
    const left = scan.ofExecution(id);
    if (left.length === 0 && !scan.hasBeginning(entryOf(process.pid)!.startTime)) return;
    for (const each of left) signalProcess(each, 'SIGKILL');
  }
}

async function start(command: string, args: string[], env: Record<string, string> = {}): Promise<number> {
  const child = spawn(command, args, { env: { PATH: process.env.PATH, ...env }, detached: true, stdio: 'ignore' });
  await once(child, 'spawn');
  atEnd(() => void child.kill('SIGKILL'));
  return child.pid!;
}

test('a living process has its parent, its own group and session, and a start time that names it', async () => {
  const pid = await start('sleep', ['900']);
  const entry = entryOf(pid)!;
  expect(entry).toMatchObject({ pid, parent: process.pid, group: pid, session: pid });
  signalProcess({ pid, startTime: entry.startTime - 1 }, 'SIGKILL');
  expect(entryOf(pid)).toEqual(entry);
  expect(entryOf(2 ** 30)).toBeNull();
});

test('a process that has ended and was not reaped is none', async () => {
  const pid = await start('sh', ['-c', 'true & exec sleep 900']);
  const isDefunct = ({ parent, living }: ProcessEntry): boolean => parent === pid && !living;
  const defunct = () => processTable.pids().filter(each => [processTable.entry(each)].some(entry => entry && isDefunct(entry)));
  await expect.poll(defunct, { timeout: 20_000 }).toHaveLength(1);
  expect(scanProcesses()!.children.get(pid) ?? []).toEqual([]);
});

test('a process is of the executions that its variable names, and of no other', async () => {
  const pid = await start('sleep', ['900'], { SPEARLET_EXECUTION_ID: 'descendants-1 descendants-2' });
  // Without the variable, whatever else its environment holds.
  await start('sleep', ['900'], { A: `${'x'.repeat(19)} descendants-1` });
  const scan = scanProcesses()!;
  const pidsOf = (id: string): number[] => scan.ofExecution(id).map(each => each.pid);
  expect([pidsOf('descendants-1'), pidsOf('descendants-2'), pidsOf('descendants')]).toEqual([[pid], [pid], []]);
  expect(scan.inGroup.get(pid)?.map(each => each.pid)).toEqual([pid]);
});

test('a scan shows no threads, although they have numbers like processes', async () => {
  const worker = new Worker('setInterval(() => {}, 1_000)', { eval: true });
  await once(worker, 'online');
  const threads = readdirSync('/proc/self/task').map(Number);
  expect(threads.length).toBeGreaterThan(1);
  const scan = scanProcesses()!;
  expect(threads.filter(pid => scan.entries.has(pid))).toEqual([process.pid]);
  await worker.terminate();
});

test('a scan never misses a program that starts its successor and ends, again and again', async () => {
  const id = `successors-${process.pid}`;
  const loop = 'sleep 0.005; [ $1 -gt 0 ] && setsid sh -c "$0" "$0" $(($1 - 1)) & exit';
  await start('sh', ['-c', loop, loop, '5000'], { SPEARLET_EXECUTION_ID: id });
  const startTime = entryOf(process.pid)!.startTime;
  let missed = 0;
  for (let n = 0; n < 60; n += 1) {
    const scan = scanProcesses()!;
    if (scan.ofExecution(id).length === 0 && !scan.hasBeginning(startTime)) missed += 1;
  }
  atEnd(() => endExecution(id));
  endExecution(id);
  expect(missed).toBe(0);
});
