// The pids that the system has given out since another one: in order, across the highest pid, and bounded.
import { expect, test } from 'vitest';
import { MAX_NEW_PIDS, pidsBetween, readNewPids } from '../../src/process/tree/proc-read.ts';

const maxPid = 32_768;

test('the pids after one up to another, the newest first, also across the highest pid', () => {
  expect(pidsBetween(100, 103, maxPid)).toEqual([103, 102, 101]);
  expect(pidsBetween(maxPid - 2, 1, maxPid)).toEqual([1, 0, maxPid - 1]);
  expect(pidsBetween(100, 100, maxPid)).toEqual([]);
});

test('more pids than are read one by one are none of them', () => {
  expect(pidsBetween(100, 100 + MAX_NEW_PIDS, maxPid)).toHaveLength(MAX_NEW_PIDS);
  expect(pidsBetween(100, 101 + MAX_NEW_PIDS, maxPid)).toBeNull();
  const source = { lastPid: () => 101 + MAX_NEW_PIDS, maxPid };
  expect(readNewPids(source, 100, () => expect.unreachable())).toEqual({ lastPid: 101 + MAX_NEW_PIDS, complete: false });
});

test('pids that are given out meanwhile are read, too, for 32 rounds', () => {
  const given = [103, 104, 104];
  const read: number[] = [];
  expect(readNewPids({ lastPid: () => given.shift()!, maxPid }, 101, pid => read.push(pid))).toEqual({ lastPid: 104, complete: true });
  expect(read).toEqual([103, 102, 104]);
  let last = 100;
  const endless = { lastPid: () => (last += 1), maxPid };
  expect(readNewPids(endless, 100, () => {})).toEqual({ lastPid: 132, complete: false });
});

test('a last pid that cannot be read is no number of new pids', () => {
  expect(readNewPids({ lastPid: () => Number.NaN, maxPid }, 100, () => {})).toMatchObject({ complete: false });
});
