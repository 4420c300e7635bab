// Scans of the process table, on a clock moved by hand and a table that a test fills.
import { expect, test } from 'vitest';
import type { OwnedTree } from '../../src/process/tree/ownership.ts';
import { createScanner } from '../../src/process/tree/scan.ts';
import { handTable } from './stage.ts';

function openScanner() {
  const stage = handTable();
  const { table, clock, born } = stage;
  const scanner = createScanner(table, clock);
  const track = (pid: number): OwnedTree => {
    const tree: OwnedTree = { instanceId: `i${pid}`, root: born(pid), ownsGroup: true, members: new Map(), found: null };
    scanner.add(tree);
    return tree;
  };
  return { ...stage, scanner, track };
}

test('a full scan finds the descendants of a program, and no other process', async () => {
  const { scanner, born, track } = openScanner();
  const mine = track(101);
  born(102, 101);
  born(103, 102);
  born(104, 1);
  expect(await scanner.scan()).toBe(true);
  expect([...mine.members.keys()].sort()).toEqual([101, 102, 103]);
  expect(scanner.living(mine).map(({ pid }) => pid)).toEqual([101, 102, 103]);
  expect(scanner.stats).toMatchObject({ fullScans: 1, unreadable: 0 });
});

test('of a tree that is being ended a full scan finds all members, the root first; it signals none', () => {
  const { scanner, killed, born, track } = openScanner();
  const [mine] = [track(101), track(110)];
  // A child that is known before the root.
  born(102, 101, 101);
  born(111, 110);
  expect(scanner.scanNew()).toBe(true);
  expect([...mine.members.keys()]).toEqual([102]);
  const found: number[] = [];
  mine.found = ({ pid }) => void found.push(pid);
  expect(scanner.scanSync()).toBe(true);
  expect([found[0], new Set(found), killed]).toEqual([101, new Set([101, 102]), []]);
});

test('of a tree that is being ended a scan of the new pids finds those that live', () => {
  const { scanner, entries, born, track } = openScanner();
  const mine = track(101);
  const found: number[] = [];
  mine.found = ({ pid }) => void found.push(pid);
  entries.set(102, { ...born(102, 101), living: false });
  born(103, 101);
  born(104);
  expect(scanner.scanNew()).toBe(true);
  expect(found).toEqual([101, 103]);
});

test('calls share a full scan that has not begun, but not one that has begun', async () => {
  const { scanner, track } = openScanner();
  track(101);
  const [first, second] = [scanner.scan(), scanner.scan()];
  expect(second).toBe(first);
  await first;
  expect(scanner.scan()).not.toBe(first);
  await scanner.scan();
  expect(scanner.stats.fullScans).toBe(2);
});

test('where the table cannot be read, no scan is complete', async () => {
  const { it, scanner, track } = openScanner();
  track(101);
  it.broken = true;
  expect([await scanner.scan(), scanner.scanSync()]).toEqual([false, false]);
  it.broken = false;
  expect(await scanner.scan()).toBe(true);
});

test('for half a second from the beginning of a full scan, reading the new pids is enough to know all members', async () => {
  const { clock, scanner, born, track } = openScanner();
  const mine = track(101);
  await scanner.scan();
  born(102, 101);
  clock.work(500);
  expect([scanner.catchUp(mine), [...mine.members.keys()]]).toEqual([true, [101, 102]]);
  clock.work(501);
  expect(scanner.catchUp(mine)).toBe(false);
});

test('each scan of the new pids keeps the known members valid for another half a second', async () => {
  const { clock, scanner, track } = openScanner();
  clock.work(5_000);
  const mine = track(101);
  expect(scanner.catchUp(mine)).toBe(true);
  clock.work(400);
  expect(scanner.scanNew()).toBe(true);
  clock.work(400);
  expect(scanner.catchUp(mine)).toBe(true);
  clock.work(501);
  expect(scanner.catchUp(mine)).toBe(false);
});

test('a scan of the new pids reads only the processes born since the last scan', async () => {
  const { it, scanner, born, track } = openScanner();
  track(101);
  await scanner.scan();
  for (let pid = 102; pid < 500; pid += 1) born(pid, 101);
  const { reads } = it;
  expect(scanner.scanNew()).toBe(true);
  const many = it.reads - reads;
  expect(many).toBeGreaterThan(300);
  born(500, 101);
  expect(scanner.scanNew()).toBe(true);
  expect(it.reads - reads - many).toBeLessThan(10);
  // More than are read one by one.
  for (let pid = 501; pid < 1_100; pid += 1) born(pid, 101);
  expect(scanner.scanNew()).toBe(false);
  expect(await scanner.scan()).toBe(true);
  expect(scanner.scanNew()).toBe(true);
});

test('a full scan that took longer than half a second is too old when it ends', async () => {
  const { it, scanner, track } = openScanner();
  const mine = track(101);
  it.perTable = 501;
  expect(await scanner.scan()).toBe(true);
  expect(scanner.catchUp(mine)).toBe(false);
});

test('of a tree that was removed, only a full scan can tell all members', async () => {
  const { scanner, track } = openScanner();
  const mine = track(101);
  expect(scanner.catchUp(mine)).toBe(true);
  scanner.remove(mine);
  expect(scanner.catchUp(mine)).toBe(false);
});

test('a long full scan gives the event loop its turns; the next one waits as long as it took, at most 100 ms', async () => {
  const { clock, it, scanner, born, track } = openScanner();
  track(101);
  for (let pid = 200; pid < 264; pid += 1) born(pid);
  it.perEntry = 1;
  const before = it.turns;
  await scanner.scan();
  expect(it.turns - before).toBeGreaterThanOrEqual(4);
  expect(scanner.stats.lastFullScanMs).toBeGreaterThanOrEqual(64);
  const took = scanner.stats.lastFullScanMs;
  const next = scanner.scan();
  await Promise.resolve();
  await Promise.resolve();
  expect(clock.pending).toEqual([Math.min(100, took)]);
  clock.pass(100);
  expect(await next).toBe(true);
});

test.each(['catch-up', 'full scan'])('a process that was in the middle of its birth in a %s is found by the next catch-up', async how => {
  const { scanner, it, entries, born, track } = openScanner();
  const mine = track(101);
  const other = track(90);
  // The parent forks: the pid of the child is given out, and the child cannot be seen yet.
  it.last = 102;
  if (how === 'catch-up') expect(scanner.catchUp(mine)).toBe(true);
  else expect(await scanner.scan()).toBe(true);
  const child = born(102, 101, 101);
  entries.delete(101);
  expect(scanner.living(mine)).toEqual([]);
  expect(scanner.catchUp(mine)).toBe(true);
  expect(scanner.living(mine)).toEqual([child]);
  expect(other.members.has(102)).toBe(false);
});

test('a full scan finds a process that has only the group of the program left', async () => {
  const { scanner, born, track } = openScanner();
  const mine = track(101);
  born(105, 1, 101);
  await scanner.scan();
  expect([...mine.members.keys()].sort()).toEqual([101, 105]);
});

test('a full scan begins when the one before has ended', async () => {
  const { clock, it, table, born, scanner, track } = openScanner();
  track(101);
  for (let pid = 102; pid < 110; pid += 1) born(pid, 101);
  it.perEntry = 20;
  const log: string[] = [];
  const { pids } = table;
  Object.assign(table, {
    pids() {
      log.push('begins');
      return pids.call(table);
    },
  });
  const first = scanner.scan().then(() => log.push('ended'));
  while (log.length === 0) await null;
  const second = scanner.scan().then(() => log.push('ended'));
  await first;
  // The second one waits for as long as the first has taken, at most 100 ms.
  for (let n = 0; n < 10; n += 1) await null;
  clock.pass(100);
  await second;
  expect(log).toEqual(['begins', 'ended', 'begins', 'ended']);
});
