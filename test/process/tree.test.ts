// The whole tree of a program is found and ended, whatever its shape, and no other process is signalled.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Identity, processTable } from '../../src/process/tree/proc-table.ts';
import { createTrees, type Tree } from '../../src/process/tree/tree.ts';
import { realClock } from '../../src/world/clock.ts';
import { hidden, shapes } from '../agents/tree.js';
import { atEnd, remember } from '../census/census.ts';

const fixture = join(import.meta.dirname, '..', 'agents', 'tree.js');
const trees = createTrees(processTable, realClock);
const nothing = { left: [], complete: true };
let count = 0;

interface Grown {
  readonly tree: Tree;
  readonly child: ChildProcess;
  /** The pids of its leaves. */
  readonly leaves: number[];
}

/** Starts a program, and resolves when its tree is complete. */
async function grow(...args: string[]): Promise<Grown> {
  count += 1;
  const instanceId = `tree-test-${process.pid}-${count}`;
  remember(instanceId);
  const child = spawn(process.execPath, [fixture, ...args], {
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH, SPEARLET_INSTANCE_ID: instanceId },
  });
  const tree = trees.track(instanceId, child.pid!);
  atEnd(async () => {
    child.stdin!.destroy();
    child.stdout!.destroy();
    await tree.end();
  });
  const [line] = (await once(child.stdout!, 'data')) as [Buffer];
  return { tree, child, leaves: JSON.parse(String(line)) };
}

const lives = (pid: number): boolean => processTable.entry(pid)?.living ?? false;
const gone = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
};

describe.each(Object.keys(shapes))('the shape %s', shape => {
  test.each(['while the program lives', 'after it has crashed', 'after its group was killed', 'blocking'])('is ended %s', async how => {
    const { tree, child, leaves } = await grow(shape);
    if (shape !== 'fork-loop') expect(leaves.filter(lives)).toEqual(leaves);
    if (how === 'after it has crashed') process.kill(child.pid!, 'SIGKILL');
    if (how === 'after its group was killed') process.kill(-child.pid!, 'SIGKILL');
    if (how.startsWith('after')) await gone(child);
    if (how === 'blocking') {
      trees.endSync([tree]);
      // A killed process may take a moment to die; no new one was started.
      await expect.poll(() => leaves.filter(lives)).toEqual([]);
    } else expect(await tree.end()).toEqual(nothing);
    expect(leaves.filter(lives)).toEqual([]);
    await gone(child);
  });
});

test('a process that clears its environment is found while its parent lives, and stays tracked afterwards', async () => {
  const { tree, child, leaves } = await grow('clears-environment');
  await tree.scan();
  expect(tree.members.has(leaves[0]!)).toBe(true);
  process.kill(-child.pid!, 'SIGKILL');
  await gone(child);
  expect(lives(leaves[0]!)).toBe(true);
  expect(await tree.end()).toEqual(nothing);
  expect(lives(leaves[0]!)).toBe(false);
});

test('a process that clears its environment, leaves the group and has lost its parent is not found: the stated limit', async () => {
  expect(Object.keys(hidden)).toContain('escapes');
  const { tree, leaves } = await grow('escapes');
  atEnd(() => leaves.forEach(pid => void process.kill(pid, 'SIGKILL')));
  expect(await tree.end()).toEqual(nothing);
  expect(leaves.filter(lives)).toEqual(leaves);
});

test('a tree that is stopped by SIGSTOP is ended like any other', async () => {
  const { tree, child, leaves } = await grow('child');
  process.kill(-child.pid!, 'SIGSTOP');
  expect(await tree.end()).toEqual(nothing);
  expect(leaves.filter(lives)).toEqual([]);
  await gone(child);
});

test('a fork loop of 500 generations a second is ended', async () => {
  const { tree, child } = await grow('fork-loop', '0.001');
  process.kill(-child.pid!, 'SIGKILL');
  expect(await tree.end()).toEqual(nothing);
});

test('another tree and a foreign process are not signalled', async () => {
  const [ended, neighbour] = await Promise.all([grow('daemon'), grow('daemon')]);
  const foreign = spawn('sleep', ['900'], { detached: true, stdio: 'ignore' });
  atEnd(() => void foreign.kill('SIGKILL'));
  expect(await ended.tree.end()).toEqual(nothing);
  expect(ended.leaves.filter(lives)).toEqual([]);
  expect(neighbour.leaves.filter(lives)).toEqual(neighbour.leaves);
  expect(lives(neighbour.child.pid!) && lives(foreign.pid!)).toBe(true);
});

test('trees that end at the same time share full scans', async () => {
  const grown = await Promise.all(Array.from({ length: 8 }, () => grow('daemon')));
  const { fullScans } = trees.scanner.stats;
  const left = await Promise.all(grown.map(({ tree }) => tree.end()));
  expect(left).toEqual(grown.map(() => nothing));
  // At least two are needed: one finds the members, the next finds none.
  expect(trees.scanner.stats.fullScans - fullScans).toBeLessThanOrEqual(8);
});

test('a reused pid is never signalled: not as a member, not as the group, not as the root', async () => {
  const foreign = spawn('sleep', ['900'], { detached: true, stdio: 'ignore' });
  atEnd(() => void foreign.kill('SIGKILL'));
  const now = processTable.entry(foreign.pid!)!;
  // As if an agent had had this pid before.
  const former: Identity = { pid: now.pid, startTime: now.startTime - 1 };
  expect(processTable.signal(former, 'SIGKILL')).toBe(false);
  const tree = trees.trackStale('nobody', former);
  expect(await tree.end()).toEqual(nothing);
  expect(lives(foreign.pid!)).toBe(true);
});

test('the tree of a dead host is found by the recorded root', async () => {
  const { tree, child, leaves } = await grow('double-fork-daemon');
  const { root, instanceId } = tree;
  tree.untrack();
  process.kill(-child.pid!, 'SIGKILL');
  await gone(child);
  expect(leaves.filter(lives)).toEqual(leaves);
  expect(await trees.trackStale(instanceId, root).end()).toEqual(nothing);
  expect(leaves.filter(lives)).toEqual([]);
});

test('a process that cannot be ended in time is listed, with its command and without its environment', async () => {
  const { tree, child } = await grow('child');
  const deaf = createTrees({ ...processTable, signal: () => false, signalGroup: () => {} }, realClock).trackStale(
    tree.instanceId,
    tree.root,
  );
  const { left } = await deaf.end(100);
  expect(left).toContainEqual({ ...tree.root, command: `${process.execPath} ${fixture} child` });
  expect(JSON.stringify(left)).not.toContain('SPEARLET');
  expect(await tree.end()).toEqual(nothing);
  await gone(child);
});

test('a process table that cannot be read does not count as empty', async () => {
  const { tree, child, leaves } = await grow('daemon');
  let blind = true;
  const entry = (pid: number) => {
    if (blind) throw Object.assign(new Error('no file descriptors'), { code: 'EMFILE' });
    return processTable.entry(pid);
  };
  const table = { ...processTable, entry };
  expect(await createTrees(table, realClock).trackStale(tree.instanceId, tree.root).end(50)).toEqual({ left: [], complete: false });
  const patient = createTrees(table, realClock).trackStale(tree.instanceId, tree.root).end(20_000);
  setImmediate(() => {
    blind = false;
  });
  expect(await patient).toEqual(nothing);
  expect(leaves.filter(lives)).toEqual([]);
  await gone(child);
});

test('a program that starts many short processes does not grow the member list, and a scan of the new pids finds the living ones', async () => {
  const { tree, child } = await grow('fork-loop', '0.002');
  const { scanner } = trees;
  const { fullScans } = scanner.stats;
  const seen = new Set<number>();
  let most = 0;
  while (seen.size < 50) {
    expect(scanner.scanNew()).toBe(true);
    for (const { pid } of tree.living()) seen.add(pid);
    most = Math.max(most, tree.members.size);
    await new Promise(resolve => setImmediate(resolve));
  }
  expect(scanner.stats.fullScans).toBe(fullScans);
  expect(most).toBeLessThan(20);
  expect(await tree.end()).toEqual(nothing);
  await gone(child);
});
