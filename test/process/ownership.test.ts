// Which tree a process belongs to: its cookie, its age, and what is never ours; with a table that a test fills.
import { expect, test } from 'vitest';
import { createOwnership, type OwnedTree } from '../../src/process/tree/ownership.ts';
import type { ProcessTable } from '../../src/process/tree/proc-table.ts';
import { handTable } from './stage.ts';

function open() {
  const stage = handTable();
  const cookies = new Map<number, string | false>();
  const table: ProcessTable = { ...stage.table, self: 7, cookie: pid => cookies.get(pid) ?? null, lastPid: () => stage.it.last };
  const ownership = createOwnership(table, stage.clock);
  /** A tree whose program has this pid and so this age. */
  const track = (pid: number, instanceId: string, ownsGroup = true): OwnedTree => {
    const tree: OwnedTree = { instanceId, root: stage.born(pid), ownsGroup, members: new Map(), found: null };
    ownership.add(tree);
    return tree;
  };
  /** A process that shares nothing with any tree but the cookie. */
  const withCookie = (pid: number, cookie: string | false) => {
    cookies.set(pid, cookie);
    return stage.born(pid);
  };
  return { ...stage, cookies, ownership, track, withCookie };
}

test('the cookie names the owner, also behind the ids of outer instances', () => {
  const { ownership, track, withCookie } = open();
  const [a, b] = [track(110, 'a'), track(111, 'b')];
  expect(ownership.ownerByCookie(withCookie(120, 'a'))).toBe(a);
  expect(ownership.ownerByCookie(withCookie(121, 'unknown b'))).toBe(b);
  expect(ownership.ownerByCookie(withCookie(122, 'unknown'))).toBeNull();
});

test('of the trees of one instance the youngest that is not younger than the process is the owner', () => {
  const { ownership, track, withCookie } = open();
  const [first, second] = [track(110, 'a'), track(130, 'a')];
  expect(ownership.ownerByCookie(withCookie(109, 'a'))).toBeNull();
  expect(ownership.ownerByCookie(withCookie(120, 'a'))).toBe(first);
  expect(ownership.ownerByCookie(withCookie(140, 'a'))).toBe(second);
  ownership.remove(second);
  expect(ownership.ownerByCookie(withCookie(141, 'a'))).toBe(first);
  ownership.remove(first);
  ownership.remove(first);
  expect(ownership.ownerByCookie(withCookie(142, 'a'))).toBeNull();
});

test('an environment that cannot be read has no owner, and is counted', () => {
  const { ownership, track, withCookie } = open();
  track(110, 'a');
  expect(ownership.ownerByCookie(withCookie(120, false))).toBeNull();
  ownership.ownerByCookie(withCookie(121, false));
  ownership.ownerByCookie(withCookie(122, 'unknown'));
  expect(ownership.unreadable).toBe(2);
});

test('a process that is older than every tree, a kernel thread, this host and init are foreign', () => {
  const { ownership, table, born } = open();
  const process = born(200);
  expect(ownership.isForeign(process, 200)).toBe(false);
  expect(ownership.isForeign(process, 201)).toBe(true);
  expect(ownership.isForeign({ ...process, kernel: true }, 200)).toBe(true);
  expect(ownership.isForeign({ ...process, pid: 1 }, 200)).toBe(true);
  expect(ownership.isForeign({ ...process, pid: table.self }, 200)).toBe(true);
});

test('an owner, once found, stays while its tree is tracked, and counts only for the same process', () => {
  const { ownership, track, born } = open();
  const mine = track(110, 'a');
  const child = born(120);
  ownership.assign(child, mine);
  expect([ownership.verdictOn(child)?.owner, [...mine.members.keys()]]).toEqual([mine, [120]]);
  expect(ownership.verdictOn({ ...child, startTime: 121 })).toBeUndefined();
  ownership.remove(mine);
  expect([ownership.verdictOn(child), [...mine.members.keys()]]).toEqual([undefined, []]);
});

test('a verdict of "not ours" is discarded when the tree of a dead host is added, and else stays', () => {
  const { ownership, track, born } = open();
  const stranger = born(120);
  ownership.assign(stranger, null);
  track(110, 'a');
  expect(ownership.verdictOn(stranger)?.owner).toBeNull();
  track(111, 'b', false);
  expect(ownership.verdictOn(stranger)).toBeUndefined();
});

test('a process with an empty environment is checked for 250 ms, then it is not ours', () => {
  const { ownership, clock, track, born } = open();
  track(110, 'a');
  const hollow = born(120);
  // All trees share the scans, so the number of checks says nothing.
  for (let n = 0; n < 100; n += 1) ownership.postpone(hollow);
  clock.work(250);
  expect(ownership.postpone(hollow)).toBe(true);
  expect([ownership.undecided, ownership.verdictOn(hollow)]).toEqual([1, undefined]);
  clock.work(1);
  expect(ownership.postpone(hollow)).toBe(false);
  expect(ownership.verdictOn(hollow)?.owner).toBeNull();
});

test('prune() forgets what the present full scan has not found', () => {
  const { ownership, track, born } = open();
  const mine = track(110, 'a');
  const [gone, found] = [born(120), born(121)];
  ownership.assign(gone, mine);
  ownership.fullScans += 1;
  ownership.assign(found, mine);
  ownership.prune();
  expect([[...mine.members.keys()], ownership.verdictOn(gone), ownership.verdictOn(found)?.owner]).toEqual([[121], undefined, mine]);
});
