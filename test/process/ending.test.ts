// How a tree of processes is ended, on a clock moved by hand and a table that holds what a test says.
import { expect, test } from 'vitest';
import { createTrees } from '../../src/process/tree/tree.ts';
import { handTable } from './stage.ts';

/** A program of which two others have come. */
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

test('all of it is killed, and the end is told when a look has found nothing', async () => {
  const stage = open();
  stage.born(110);
  expect(await passing(stage, stage.tree.end())).toEqual({ left: [], complete: true });
  expect([new Set(stage.killed), [...stage.entries.keys()], stage.groups]).toEqual([new Set([101, 102, 103]), [110], []]);
});

test('to end it again gives the same end', async () => {
  const stage = open();
  const ended = stage.tree.end();
  expect(stage.tree.end()).toBe(ended);
  await passing(stage, ended);
});

test('what SIGKILL does not end within the time is left, with its command', async () => {
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

test('where the table cannot be read its group is killed, and the end is not complete', async () => {
  const stage = open();
  stage.it.broken = true;
  stage.clock.work(1_000);
  const { complete } = await passing(stage, stage.tree.end(100));
  expect([complete, new Set(stage.groups)]).toEqual([false, new Set([101])]);
});

test('where there is no table there is the group', async () => {
  const stage = open();
  stage.it.works = false;
  expect(await stage.tree.end()).toEqual({ left: [], complete: false });
  expect(stage.tree.endSync().complete).toBe(false);
  expect([stage.killed, stage.groups]).toEqual([[], [101, 101]]);
});

test('in one go, three looks and no more: what was killed in the last is still said to be left', () => {
  const stage = open();
  const before = stage.trees.scanner.stats.fullScans;
  const { left, complete } = stage.tree.endSync();
  expect([left.map(({ pid }) => pid).sort(), complete]).toEqual([[101, 102, 103], true]);
  expect(stage.trees.scanner.stats.fullScans - before).toBe(3);
});

test('in one go, one look is enough where nothing is there', () => {
  const stage = open();
  stage.entries.clear();
  const before = stage.trees.scanner.stats.fullScans;
  expect(stage.tree.endSync()).toEqual({ left: [], complete: true });
  expect(stage.trees.scanner.stats.fullScans - before).toBe(1);
});

test('in one go, a table that cannot be read is looked at again, though nobody is known', () => {
  const stage = open();
  stage.it.broken = true;
  const before = stage.trees.scanner.stats.fullScans;
  expect(stage.tree.endSync().complete).toBe(false);
  expect(stage.trees.scanner.stats.fullScans - before).toBe(3);
});

test('one that is forgotten is not signalled', async () => {
  const stage = open();
  await stage.tree.scan();
  expect([...stage.tree.members.keys()]).toEqual([101, 102, 103]);
  stage.tree.untrack();
  expect([[...stage.tree.members.keys()], stage.tree.living(), stage.killed]).toEqual([[], [], []]);
});
