// All processes of one execution are found and ended. Those that cannot be ended are counted.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { killTrees, trackTree } from '../../src/agent/execution-tree.ts';
import { processTable } from '../../src/process/tree/proc-table.ts';
import { atEnd } from '../census/census.ts';

const lives = (pid: number): boolean => processTable.entry(pid)?.living ?? false;
const deaf = `trap "" TERM; echo "[$$]"; exec sleep 900`;

async function start(script: string, count: number, executionId: string): Promise<{ child: ChildProcess; pids: number[] }> {
  const child = spawn('sh', ['-c', script], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH, SPEARLET_EXECUTION_ID: `outer ${executionId}` },
  });
  atEnd(() => child.stdout!.destroy());
  let text = '';
  while ((text.match(/\]/g) ?? []).length < count) text += String((await once(child.stdout!, 'data'))[0]);
  return { child, pids: text.match(/\d+/g)!.map(Number) };
}

test('a process in its own session, a double fork and a process that ignores SIGTERM are killed after the grace', async () => {
  const { child, pids } = await start(`sh -c '${deaf}' & setsid sh -c '${deaf}' & (setsid sh -c '${deaf}' &) ; ${deaf}`, 4, 'a');
  expect(await trackTree(child.pid!, 'a').end(50)).toBe(0);
  expect(pids.filter(lives)).toEqual([]);
});

test('an execution of an agent within an execution belongs to both', async () => {
  const { child, pids } = await start(`setsid sh -c '${deaf}' & ${deaf}`, 2, 'a');
  expect(await trackTree(child.pid!, 'outer').end(0)).toBe(0);
  expect(pids.filter(lives)).toEqual([]);
});

test('an agent that exits kills all processes at once', async () => {
  const { child, pids } = await start(`setsid sh -c '${deaf}' & ${deaf}`, 2, 'a');
  const gone = once(child, 'exit');
  killTrees([trackTree(child.pid!, 'a')]);
  await gone;
  expect(pids.filter(lives)).toEqual([]);
});

test('processes that cannot be ended are counted', async () => {
  const { child, pids } = await start(`setsid sh -c '${deaf}' & exec setsid sh -c '${deaf}'`, 2, 'a');
  expect(await trackTree(child.pid!, 'a', () => false).end(0)).toBeGreaterThan(0);
  expect(await trackTree(child.pid!, 'a').end(0)).toBe(0);
  expect(pids.filter(lives)).toEqual([]);
});

test('a process with another execution id in its environment is not touched', async () => {
  const [mine, other] = await Promise.all([start(deaf, 1, 'a'), start(deaf, 1, 'ab')]);
  expect(await trackTree(mine.child.pid!, 'a').end(0)).toBe(0);
  expect(other.pids.filter(lives)).toEqual(other.pids);
  expect(await trackTree(other.child.pid!, 'ab').end(0)).toBe(0);
});
