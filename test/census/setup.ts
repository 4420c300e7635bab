// Takes the census around every test of a file. It holds nothing: in a process that runs several files, each file runs this again.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect } from 'vitest';
import { type Census, cookies, endings, surplus, take } from './census.ts';

const collect = (type: 'minor' | 'major'): void => (globalThis as { gc?: (options: { type: 'minor' | 'major' }) => void }).gc?.({ type });

// Each test of an earlier file in this process was checked by its own census.
cookies.clear();

let before: Census;
beforeEach(() => {
  before = take(cookies);
});

afterEach(async () => {
  for (const ending of endings.splice(0)) await ending();
  let left = surplus(before, take(cookies));
  // The system may close things a little later, and Node lists closed handles until they are collected. A real leftover stays. Most
  // handles are young: a minor collection finds them, and costs a tenth of a major one.
  for (let tries = 0; left.length > 0 && tries < 100; tries += 1) {
    await sleep(tries === 0 ? 0 : 20);
    collect(tries < 2 ? 'minor' : 'major');
    left = surplus(before, take(cookies));
  }
  expect(left, 'left behind by this test').toEqual([]);
});
