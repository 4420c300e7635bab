// The process table as /proc shows it: entries of this process, of children, of kernel threads, and of pids without a process.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { processTable as table } from '../../src/process/tree/proc-table.ts';
import { atEnd, remember } from '../census/census.ts';

/** A pid that no process has. */
const nobody = table.maxPid + 1;

async function start(script: string, env: Record<string, string> = {}): Promise<ChildProcess & { pid: number }> {
  const child = spawn('sh', ['-c', `echo up; ${script}`], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH, ...env },
  });
  atEnd(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      process.kill(-child.pid!, 'SIGKILL');
      await once(child, 'close');
    }
  });
  await once(child.stdout!, 'data');
  return child as ChildProcess & { pid: number };
}

/** Resolves when the shell has replaced itself by the program. */
async function named(pid: number, command: string): Promise<void> {
  while (table.command(pid) !== command) await table.turn();
}

test('a child has its parent, its own group and session, and is younger than this process', async () => {
  const child = await start('exec sleep 900');
  const [mine, its] = [table.entry(process.pid)!, table.entry(child.pid)!];
  expect(its).toEqual({
    pid: child.pid,
    parent: process.pid,
    group: child.pid,
    session: child.pid,
    startTime: expect.any(Number),
    living: true,
    kernel: false,
  });
  expect(its.startTime).toBeGreaterThan(mine.startTime);
  expect(table.groupOf(its)).toBe(child.pid);
  expect(table.groupOf({ ...its, startTime: its.startTime + 1 })).toBe(null);
  expect([table.self, table.works, table.exists(child.pid), table.pids().includes(child.pid)]).toEqual([process.pid, true, true, true]);
  expect(table.lastPid()).toBeGreaterThan(0);
  expect(table.maxPid).toBe(Number(readFileSync('/proc/sys/kernel/pid_max', 'latin1')));
});

test('a pid without a process has no entry, and reading it is no error', () => {
  expect(table.entry(nobody)).toBe(null);
  expect(table.groupOf({ pid: nobody, startTime: 1 })).toBe(null);
  expect([table.exists(nobody), table.isThread(nobody), table.cookie(nobody), table.command(nobody)]).toEqual([false, false, false, '']);
  expect([table.memory(nobody), table.exactMemory(nobody)]).toEqual([0, undefined]);
  expect(table.signal({ pid: nobody, startTime: 1 }, 'SIGKILL')).toBe(false);
  expect(() => table.signalGroup(nobody, 'SIGKILL')).not.toThrow();
});

test('a process that has ended and is not reaped yet does not count as living', async () => {
  const parent = await start('true & exec sleep 900');
  await named(parent.pid, 'sleep 900');
  const childOf = (pid: number) => table.pids().find(each => table.entry(each)?.parent === pid);
  const zombie = childOf(parent.pid)!;
  while (table.entry(zombie)!.living) await table.turn();
  expect(table.entry(zombie)).toMatchObject({ parent: parent.pid, living: false });
  expect(table.command(zombie)).toBe('');
  expect(table.memory(zombie)).toBe(0);
});

test('the instance id is read from the environment, and not from variables with a similar name', async () => {
  const id = `table-test-${process.pid}`;
  remember(id);
  const mine = await start('exec sleep 900', { BEFORE: '1', SPEARLET_INSTANCE_ID: id, XSPEARLET_INSTANCE_ID: 'other' });
  const other = await start('exec sleep 900', { NOT: 'SPEARLET_INSTANCE_ID=other', MY_SPEARLET_INSTANCE_ID: 'other' });
  await named(mine.pid, 'sleep 900');
  await named(other.pid, 'sleep 900');
  expect([table.cookie(mine.pid), table.cookie(other.pid)]).toEqual([id, null]);
});

test('the instance id is found behind an environment of many pages', async () => {
  const id = `table-test-large-${process.pid}`;
  remember(id);
  const filling = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`A${n}`, 'x'.repeat(4_000)]));
  const child = await start('exec sleep 900', { ...filling, SPEARLET_INSTANCE_ID: id });
  await named(child.pid, 'sleep 900');
  expect(table.cookie(child.pid)).toBe(id);
});

test('a command line is words with blanks between them, shortened to 200 bytes', async () => {
  const child = await start(`exec sleep 900 ${'0'.repeat(300)}`);
  while (!table.command(child.pid).startsWith('sleep')) await table.turn();
  expect(table.command(child.pid)).toBe(`sleep 900 ${'0'.repeat(190)}`);
});

test('a thread is distinguished from a process', async () => {
  expect(table.isThread(process.pid)).toBe(false);
  const threads = readdirSync('/proc/self/task')
    .map(Number)
    .filter(id => id !== process.pid);
  expect(threads.length).toBeGreaterThan(0);
  expect(threads.every(id => table.isThread(id))).toBe(true);
});

test('memory is counted in bytes, and exactly where shared pages are divided among their holders', () => {
  const { rss } = process.memoryUsage();
  const counted = table.memory(process.pid);
  expect(counted).toBeGreaterThan(rss / 10);
  expect(counted).toBeLessThan(rss * 3);
  expect(table.exactMemory(process.pid)).toBeGreaterThan(rss / 20);
  expect(table.exactMemory(process.pid)).toBeLessThan(rss * 3);
});

test('a signal reaches only the process with that pid and start time', async () => {
  const child = await start('exec sleep 900');
  const { pid, startTime } = table.entry(child.pid)!;
  expect(table.signal({ pid, startTime: startTime + 1 }, 'SIGKILL')).toBe(false);
  expect(table.entry(pid)!.living).toBe(true);
  expect(table.signal({ pid, startTime }, 'SIGKILL')).toBe(true);
  expect(await once(child, 'close')).toEqual([null, 'SIGKILL']);
});

test('the boot and the pid namespace have an id', () => {
  expect(table.bootId()).toMatch(/^[0-9a-f-]{36}$/);
  expect(table.pidNamespace()).toMatch(/^[1-9]\d+$/);
});
