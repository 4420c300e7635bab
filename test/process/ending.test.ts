// How a tree of processes is ended, on a clock moved by hand and a table that a test fills.
import { expect, test } from 'vitest';
import { createTrees, type Ending } from '../../src/process/tree/tree.ts';
import { handTable } from './stage.ts';

/** A program with a child and a grandchild. */
function open() {
  const stage = handTable();
  const trees = createTrees(stage.table, stage.clock);
  stage.born(101);
  const tree = trees.track('i', 101);
  stage.born(102, 101);
  stage.born(103, 102);
  return { ...stage, trees, tree };
}
/** Lets time pass, timer by timer, until the promise is settled. */
async function passing<T>({ clock }: ReturnType<typeof open>, promise: Promise<T>): Promise<T> {
  let settled = false;
  void promise.finally(() => {
    settled = true;
  });
  while (!settled) {
    await new Promise(resolve => setImmediate(resolve));
    const [next] = clock.pending;
    if (next !== undefined) clock.pass(next);
  }
  return promise;
}

test('all members are killed, and the end resolves when a scan has found none', async () => {
  const stage = open();
  stage.born(110);
  expect(await passing(stage, stage.tree.end())).toEqual({ left: [], complete: true });
  expect([new Set(stage.killed), [...stage.entries.keys()], stage.groups]).toEqual([new Set([101, 102, 103]), [110], []]);
});

test('a descendant that end() finds among the new pids is killed at once, before the next check', async () => {
  const stage = open();
  const ended = stage.tree.end();
  expect(new Set(stage.killed)).toEqual(new Set([101, 102, 103]));
  await passing(stage, ended);
});

test.each(['end', 'endSync'] as const)('%s() kills the root first, also where a child is known before the root', async how => {
  const stage = handTable();
  const trees = createTrees(stage.table, stage.clock);
  stage.born(101);
  const tree = trees.track('i', 101);
  stage.born(102, 101, 101);
  expect(trees.scanner.scanNew()).toBe(true);
  expect([...tree.members.keys()]).toEqual([102]);
  if (how === 'end') await passing({ ...stage, trees, tree }, tree.end());
  else trees.endSync([tree]);
  expect([stage.killed[0], new Set(stage.killed)]).toEqual([101, new Set([101, 102])]);
});

test('a second end() returns the same promise', async () => {
  const stage = open();
  const ended = stage.tree.end();
  expect(stage.tree.end()).toBe(ended);
  await passing(stage, ended);
});

test('a process that SIGKILL does not end in time is reported as left, with its command', async () => {
  const stage = open();
  stage.it.immortal = true;
  const began = stage.clock.now();
  const { left, complete } = await passing(stage, stage.tree.end(500));
  expect(complete).toBe(true);
  expect(left.toSorted((a, b) => a.pid - b.pid)).toEqual(
    [101, 102, 103].map(pid => ({ pid, startTime: pid, command: `command of ${pid}` })),
  );
  expect(stage.clock.now() - began).toBeGreaterThanOrEqual(500);
  expect(stage.clock.now() - began).toBeLessThan(600);
});

test('without a time, SIGKILL has two seconds', async () => {
  const stage = open();
  stage.it.immortal = true;
  const began = stage.clock.now();
  expect((await passing(stage, stage.tree.end())).left).toHaveLength(3);
  expect(stage.clock.now() - began).toBeGreaterThanOrEqual(2_000);
  expect(stage.clock.now() - began).toBeLessThan(2_100);
});

test('where the table cannot be read, the process group is killed, and the end is not complete', async () => {
  const stage = open();
  stage.it.broken = true;
  stage.clock.work(1_000);
  const { complete } = await passing(stage, stage.tree.end(100));
  expect([complete, new Set(stage.groups)]).toEqual([false, new Set([101])]);
});

test('without a process table, the process group is killed', async () => {
  const stage = open();
  stage.it.works = false;
  expect(await stage.tree.end()).toEqual({ left: [], complete: false });
  expect(stage.trees.endSync([stage.tree])[0]!.complete).toBe(false);
  expect([stage.killed, stage.groups]).toEqual([[], [101, 101]]);
});

test('a member that ends between a scan and its result has left a child, and the tree is not gone', async () => {
  const stage = handTable();
  const trees = createTrees(stage.table, stage.clock);
  stage.born(101);
  const tree = trees.track('i', 101);
  stage.born(102, 101, 101);
  stage.entries.delete(101);
  // The cursor is too old: only a full scan can tell.
  stage.clock.work(1_000);
  const scanned = tree.scan().then(() => {
    stage.entries.delete(102);
    stage.born(103, 1, 101);
    expect(tree.living()).toEqual([]);
  });
  let isGone = false;
  const gone = tree.gone().then(() => {
    isGone = true;
  });
  await scanned;
  for (let turn = 0; turn < 10; turn += 1) await new Promise(resolve => setImmediate(resolve));
  expect([isGone, [...tree.members.keys()]]).toEqual([false, [103]]);
  stage.entries.delete(103);
  await passing({ ...stage, trees, tree }, gone);
});

test('endSync() scans at most three times: what the last scan has killed is still reported as left', () => {
  const stage = open();
  const before = stage.trees.scanner.stats.fullScans;
  const [{ left, complete }] = stage.trees.endSync([stage.tree]) as [Ending];
  expect([left.map(({ pid }) => pid).sort(), complete]).toEqual([[101, 102, 103], true]);
  expect(stage.trees.scanner.stats.fullScans - before).toBe(3);
});

test('endSync() scans once where no process lives', () => {
  const stage = open();
  stage.entries.clear();
  const before = stage.trees.scanner.stats.fullScans;
  expect(stage.trees.endSync([stage.tree])).toEqual([{ left: [], complete: true }]);
  expect(stage.trees.scanner.stats.fullScans - before).toBe(1);
});

test('endSync() scans again where the table could not be read, though no member is known', () => {
  const stage = open();
  stage.it.broken = true;
  const before = stage.trees.scanner.stats.fullScans;
  expect(stage.trees.endSync([stage.tree])[0]!.complete).toBe(false);
  expect(stage.trees.scanner.stats.fullScans - before).toBe(3);
});

test('endSync() of two trees shares the scans', () => {
  const stage = open();
  stage.born(110);
  const other = stage.trees.track('j', 110);
  const before = stage.trees.scanner.stats.fullScans;
  expect(stage.trees.endSync([stage.tree, other]).map(({ left }) => left.length)).toEqual([3, 1]);
  expect([new Set(stage.killed), stage.trees.scanner.stats.fullScans - before]).toEqual([new Set([101, 102, 103, 110]), 3]);
});

test('a tree that is untracked is not signalled', async () => {
  const stage = open();
  await stage.tree.scan();
  expect([...stage.tree.members.keys()]).toEqual([101, 102, 103]);
  stage.tree.untrack();
  expect([[...stage.tree.members.keys()], stage.tree.living(), stage.killed]).toEqual([[], [], []]);
});
