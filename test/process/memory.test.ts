// The memory of a tree: what counts, when it is sampled, and that fast growth is noticed in time.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createMemory, memoryOf, nextSample } from '../../src/process/memory.ts';
import { processTable } from '../../src/process/tree/proc-table.ts';
import { createTrees, type Tree } from '../../src/process/tree/tree.ts';
import { realClock } from '../../src/world/clock.ts';
import { atEnd, remember } from '../census/census.ts';

const MB = 1e6;
const trees = createTrees(processTable, realClock);
let count = 0;

function start(command: string, ...args: string[]): { tree: Tree; child: ChildProcess; said(text: string): Promise<void> } {
  count += 1;
  const instanceId = `memory-test-${process.pid}-${count}`;
  remember(instanceId);
  const child = spawn(command, args, {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH, SPEARLET_INSTANCE_ID: instanceId },
  });
  const tree = trees.track(instanceId, child.pid!);
  atEnd(async () => {
    child.stdout!.destroy();
    await tree.end();
  });
  let all = '';
  child.stdout!.on('data', chunk => {
    all += chunk;
  });
  const said = async (text: string): Promise<void> => {
    while (!all.includes(text)) await once(child.stdout!, 'data');
  };
  return { tree, child, said };
}
const hungry = (...args: string[]) => start(process.execPath, join(import.meta.dirname, '..', 'agents', 'hungry.js'), ...args);

test('samples are at most 250 ms apart, at least 15 ms, and else half the time to the limit', () => {
  expect(nextSample(0, 1e12, 0)).toBe(250);
  expect(nextSample(300 * MB, 300 * MB, 0)).toBe(15);
  expect(nextSample(400 * MB, 300 * MB, 0)).toBe(15);
  // At 500 MB a second, the remaining 200 MB take 400 ms.
  expect(nextSample(100 * MB, 300 * MB, 0.5 * MB)).toBe(200);
  // Without growth, 268 MB a second are assumed.
  expect(nextSample(270 * MB, 300 * MB, 0)).toBeCloseTo(30 / 0.268435456, 3);
});

test('at any growth up to 1 GB/s, the next sample comes within 250 ms of growth beyond the limit', () => {
  for (const rate of [0.01, 0.1, 0.5, 1]) {
    const limit = 300 * MB;
    let now = 250;
    let [bytes, growth] = [0, 0];
    while (bytes <= limit) {
      const before = bytes;
      const wait = nextSample(bytes, limit, growth);
      now += wait;
      bytes = rate * MB * (now - 250);
      growth = (bytes - before) / wait;
    }
    expect(bytes - limit).toBeLessThan(rate * MB * 250);
  }
});

test('a child of the program that grows by 500 MB/s over 300 MB is noticed within a second of crossing the limit; its neighbour runs on', async () => {
  const memory = createMemory(processTable, trees.scanner, realClock);
  atEnd(() => memory.close());
  const neighbour = hungry('100', '20');
  const { tree, child } = hungry('500', '3000', 'child');
  let crossed = 0;
  let said = '';
  child.stdout!.on('data', chunk => {
    said += chunk;
    if (crossed === 0 && Number(said.trimEnd().split('\n').at(-1)) >= 300) crossed = performance.now();
  });
  const quiet = memory.watch(neighbour.tree, 300 * MB, () => expect.fail('the neighbour is small'));
  const seen = await new Promise<number>(resolve => {
    memory.watch(tree, 300 * MB, resolve);
  });
  expect(await tree.end()).toEqual({ left: [], complete: true });
  const late = crossed === 0 ? 0 : performance.now() - crossed;
  expect(late).toBeLessThan(1_000);
  expect(seen).toBeGreaterThan(300 * MB);
  expect(seen).toBeLessThan(800 * MB);
  await neighbour.said('\n20\n');
  expect(processTable.entry(neighbour.child.pid!)?.living).toBe(true);
  expect(quiet.peak).toBeLessThan(300 * MB);
});

test('a page that two processes share counts once', async () => {
  // 200 MB, then a fork that writes to none of them: by the counters each process has 200 MB.
  const script = 'import os,time\nb=b"x"*200000000\npid=os.fork()\nif pid: print("forked",flush=True)\ntime.sleep(900)';
  const { tree, said } = start('python3', '-c', script);
  await said('forked');
  await tree.scan();
  expect(tree.members.size).toBeGreaterThanOrEqual(2);
  expect(memoryOf(processTable, tree, 1e12)).toBeGreaterThan(400 * MB);
  const exact = memoryOf(processTable, tree, 300 * MB);
  expect(exact).toBeGreaterThan(200 * MB);
  expect(exact).toBeLessThan(300 * MB);
});

test('shared memory that no other process holds counts', async () => {
  const script = 'import mmap,time\nm=mmap.mmap(-1,200000000)\nm.write(b"x"*200000000)\nprint("written",flush=True)\ntime.sleep(900)';
  const { tree, said } = start('python3', '-c', script);
  await said('written');
  await tree.scan();
  expect(memoryOf(processTable, tree, 1)).toBeGreaterThan(200 * MB);
});
