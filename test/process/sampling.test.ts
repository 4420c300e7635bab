// When the memory of a tree is sampled, on a clock moved by hand.
import { expect, test } from 'vitest';
import { createMemory } from '../../src/process/memory.ts';
import type { ProcessTable } from '../../src/process/tree/proc-table.ts';
import type { Scanner } from '../../src/process/tree/scan.ts';
import type { Tree } from '../../src/process/tree/tree.ts';
import { handClock } from '../world/clock.ts';

/** One tree of one process. A test sets its memory, and how long a sample takes. */
function openMemory() {
  const clock = handClock();
  const it = { bytes: 10, cost: 0, looks: [] as number[], passes: 0, missed: false, broken: false };
  const table = { memory: () => it.bytes } as never as ProcessTable;
  const tree = {
    living() {
      it.looks.push(clock.now() - 1_000);
      clock.work(it.cost);
      if (it.broken) throw new Error('EMFILE');
      return [{ pid: 7 }];
    },
  } as never as Tree;
  const scanner = { scanNew: () => !it.missed, scan: async () => void (it.passes += 1) } as never as Scanner;
  return { clock, it, tree, memory: createMemory(table, scanner, clock) };
}
const FAR = 1e15;

test('the first sample is after 15 ms, the next ones 250 ms apart while the limit is far', () => {
  const { clock, it, tree, memory } = openMemory();
  const watched = memory.watch(tree, FAR, () => {});
  expect([watched.bytes, watched.peak]).toEqual([0, 0]);
  clock.pass(600);
  expect([it.looks, watched.bytes, watched.peak]).toEqual([[15, 265, 515], 10, 10]);
  memory.close();
});

test('the peak is kept, and memory above the limit is reported once', () => {
  const { clock, it, tree, memory } = openMemory();
  const exceeded: number[] = [];
  const watched = memory.watch(tree, 100, bytes => void exceeded.push(bytes));
  it.bytes = 100;
  clock.pass(20);
  it.bytes = 50;
  clock.pass(20);
  expect([exceeded, watched.bytes, watched.peak]).toEqual([[], 50, 100]);
  it.bytes = 101;
  clock.pass(1_000);
  expect([exceeded, clock.pending]).toEqual([[101], []]);
});

test('a tree that grows is sampled again in half the time to its limit', () => {
  const { clock, it, tree, memory } = openMemory();
  it.bytes = 0;
  memory.watch(tree, 1e9, () => {});
  clock.pass(15);
  it.bytes = 5e8;
  clock.pass(250);
  // 500 MB in 250 ms, and 500 MB to go: 125 ms.
  clock.pass(200);
  expect(it.looks).toEqual([15, 265, 390]);
  memory.close();
});

test('after a slow sample the next one waits ten times as long, at most 250 ms', () => {
  const { clock, it, tree, memory } = openMemory();
  // So near the limit that 15 ms would be the wait.
  it.bytes = 99;
  it.cost = 10;
  memory.watch(tree, 100, () => {});
  clock.pass(15);
  it.cost = 80;
  clock.pass(200);
  clock.pass(400);
  expect(it.looks.slice(0, 3)).toEqual([15, 125, 455]);
  memory.close();
});

test('trees that are due at about the same time are sampled together', () => {
  const { clock, it, tree, memory } = openMemory();
  memory.watch(tree, FAR, () => {});
  clock.pass(5);
  memory.watch(tree, FAR, () => {});
  clock.pass(20);
  expect(it.looks).toEqual([15, 15]);
  clock.pass(6);
  memory.watch(tree, FAR, () => {});
  clock.pass(20);
  expect(it.looks).toEqual([15, 15, 46]);
  memory.close();
});

test('there is one timer, and none once nothing is watched', () => {
  const { clock, tree, memory } = openMemory();
  const first = memory.watch(tree, FAR, () => {});
  clock.pass(5);
  const second = memory.watch(tree, FAR, () => {});
  expect(clock.pending).toEqual([10]);
  first.stop();
  expect(clock.pending).toEqual([15]);
  second.stop();
  expect(clock.pending).toEqual([]);
  memory.watch(tree, FAR, () => {});
  expect(clock.pending).toEqual([15]);
  memory.close();
  expect(clock.pending).toEqual([]);
});

test('where more processes were born than can be read one by one, a full scan is requested', () => {
  const { clock, it, tree, memory } = openMemory();
  memory.watch(tree, FAR, () => {});
  clock.pass(15);
  expect(it.passes).toBe(0);
  it.missed = true;
  clock.pass(250);
  expect(it.passes).toBe(1);
  memory.close();
});

test('a sample that fails keeps the last known values, and the next one comes', () => {
  const { clock, it, tree, memory } = openMemory();
  const watched = memory.watch(tree, FAR, () => {});
  clock.pass(15);
  it.broken = true;
  clock.pass(250);
  expect([watched.bytes, it.looks]).toEqual([10, [15, 265]]);
  it.broken = false;
  it.bytes = 20;
  clock.pass(250);
  expect([watched.bytes, watched.peak]).toEqual([20, 20]);
  expect(memory.measure(tree)).toBe(20);
  memory.close();
});
