// The clock of the tests: timers run in order, cleared ones never, and a simulation lets promise jobs and ticks run between them.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type HandClock, handClock } from './clock.ts';

test('timers run by their time, and of the same time in the order in which they were set; cleared ones never', () => {
  const timer = fc.record({ ms: fc.integer({ min: 0, max: 30 }), isCleared: fc.boolean() });
  fc.assert(
    fc.property(fc.array(timer, { maxLength: 200 }), timers => {
      const clock = handClock();
      const ran: number[] = [];
      const all = timers.map(({ ms }, n) => clock.setTimeout(() => ran.push(n), ms));
      for (const [n, { isCleared }] of timers.entries()) if (isCleared) clock.clearTimeout(all[n]!);
      const expected = timers
        .map(({ ms, isCleared }, n) => ({ ms, isCleared, n }))
        .filter(({ isCleared }) => !isCleared)
        .sort((a, b) => a.ms - b.ms || a.n - b.n);
      expect(clock.pending).toEqual(expected.map(({ ms }) => ms));
      clock.pass(30);
      expect(ran).toEqual(expected.map(({ n }) => n));
      expect([clock.pending, clock.now()]).toEqual([[], 1_030]);
    }),
  );
});

test('many cleared timers leave the others as they are', () => {
  const clock = handClock();
  const ran: number[] = [];
  const timers = Array.from({ length: 5_000 }, (_, n) => clock.setTimeout(() => ran.push(n), (n * 7_919) % 5_000));
  for (const [n, timer] of timers.entries()) if (n % 100 !== 0) clock.clearTimeout(timer);
  // A second time it changes nothing, nor does it after the timer has run.
  clock.clearTimeout(timers[1]!);
  clock.pass(5_000);
  clock.clearTimeout(timers[0]!);
  const rest = Array.from({ length: 50 }, (_, n) => n * 100);
  expect(ran).toEqual(rest.sort((a, b) => ((a * 7_919) % 5_000) - ((b * 7_919) % 5_000)));
});

test('step() runs one timer and tells how long it was set for; time that has passed does not come back', () => {
  const clock = handClock();
  expect(clock.step()).toBe(null);
  clock.setTimeout(() => {}, 10);
  clock.work(25);
  expect([clock.step(), clock.now(), clock.step()]).toEqual([10, 1_025, null]);
});

test('run() goes on with timers that timers set, and lets promise jobs and ticks run between two', async () => {
  const clock = handClock();
  const seen: string[] = [];
  const again = (clock: HandClock, n: number): void => {
    seen.push(`timer ${n}`);
    void Promise.resolve().then(() => Promise.resolve().then(() => seen.push(`job ${n}`)));
    process.nextTick(() => process.nextTick(() => seen.push(`tick ${n}`)));
    if (n < 3) clock.setTimeout(() => again(clock, n + 1), 5);
  };
  clock.setTimeout(() => again(clock, 1), 5);
  expect(await clock.run(1_015)).toBe(2);
  expect(clock.now()).toBe(1_010);
  expect(await clock.run()).toBe(1);
  expect(seen).toEqual([1, 2, 3].flatMap(n => [`timer ${n}`, `job ${n}`, `tick ${n}`]));
});
