// The wait before a restart: its floor, its bound, and how it is spread.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { backoffTime } from '../../src/world/backoff.ts';

const waits = (jitter: 'full' | 'equal' | 'none', fraction: number, min = 100, max = 1_000): number[] =>
  [1, 2, 3, 4, 5, 60].map(attempt => backoffTime({ fraction: () => fraction }, { min, max, jitter }, attempt));
const highest = 1 - Number.EPSILON;

test('without jitter the wait doubles from `min` to `max`', () => {
  expect(waits('none', 0.5)).toEqual([100, 200, 400, 800, 1_000, 1_000]);
});

test('with full jitter a wait is anywhere between `min` and the bound', () => {
  expect(waits('full', 0)).toEqual([100, 100, 100, 100, 100, 100]);
  expect(waits('full', highest)).toEqual([100, 200, 400, 800, 1_000, 1_000]);
});

test('with equal jitter the half of the bound is certain', () => {
  expect(waits('equal', 0)).toEqual([100, 100, 200, 400, 500, 500]);
  expect(waits('equal', highest)).toEqual([100, 200, 400, 800, 1_000, 1_000]);
});

test('no wait is outside of `min` and `max`', () => {
  const duration = fc.integer({ min: 1, max: 2 ** 31 - 1 });
  fc.assert(
    fc.property(
      duration,
      duration,
      fc.constantFrom('full', 'equal', 'none'),
      fc.double({ min: 0, max: highest, noNaN: true }),
      (a, b, jitter, f) => {
        const [min, max] = [Math.min(a, b), Math.max(a, b)];
        for (const wait of waits(jitter as 'full', f, min, max)) expect(wait >= min && wait <= max).toBe(true);
      },
    ),
  );
});
