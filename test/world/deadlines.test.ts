// Many deadlines behind one timer: each expires once, in order, at its time; cancelled ones never; and none costs more for how
// many there are.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Clock } from '../../src/world/clock.ts';
import { createDeadlines, type Deadline } from '../../src/world/deadlines.ts';

/** A clock that is moved by hand; it counts how often a timer was set. */
function handClock() {
  let now = 0;
  let timer: { at: number; run: () => void } | null = null;
  const clock: Clock & { advance(ms: number): void; skip(ms: number): void; readonly pending: boolean; armed: number } = {
    armed: 0,
    now: () => now,
    wall: () => now,
    setTimeout(run, ms) {
      clock.armed += 1;
      timer = { at: now + ms, run };
      return { id: timer };
    },
    clearTimeout({ id }) {
      if (timer === id) timer = null;
    },
    advance(ms) {
      for (const until = now + ms; ; ) {
        if (timer === null || timer.at > until) {
          now = until;
          return;
        }
        const { at, run } = timer;
        timer = null;
        now = Math.max(now, at);
        run();
      }
    },
    /** The event loop stood still for so long. */
    skip(ms) {
      now += ms;
      clock.advance(0);
    },
    get pending() {
      return timer !== null;
    },
  };
  return clock;
}

test('whatever is added and cancelled in whatever order, the rest expires once, in order, never early and at most 1 ms late', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('add' as const), ms: fc.integer({ min: 0, max: 50 }) }),
    fc.record({ kind: fc.constant('cancel' as const), which: fc.nat(200) }),
    fc.record({ kind: fc.constant('advance' as const), ms: fc.integer({ min: 0, max: 20 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), steps => {
      const clock = handClock();
      const deadlines = createDeadlines(clock);
      const all: { at: number; deadline: Deadline; state: 'waiting' | 'expired' | 'cancelled' }[] = [];
      for (const each of steps) {
        if (each.kind === 'advance') clock.advance(each.ms);
        else if (each.kind === 'add') {
          const mine = {
            at: clock.now() + each.ms,
            state: 'waiting' as (typeof all)[number]['state'],
            deadline: null as never as Deadline,
          };
          mine.deadline = deadlines.add(each.ms, {
            expire() {
              expect(mine.state).toBe('waiting');
              expect(clock.now()).toBeGreaterThanOrEqual(mine.at);
              expect(clock.now()).toBeLessThanOrEqual(mine.at + 1);
              mine.state = 'expired';
            },
          });
          all.push(mine);
        } else {
          const mine = all[each.which];
          if (mine === undefined) continue;
          mine.deadline.cancel();
          if (mine.state === 'waiting') mine.state = 'cancelled';
        }
      }
      expect(clock.pending).toBe(all.some(({ state }) => state === 'waiting'));
      clock.advance(60);
      expect(all.filter(({ state }) => state === 'waiting')).toEqual([]);
      expect(clock.pending).toBe(false);
    }),
    { numRuns: 300 },
  );
});

test('those that are due at once expire in the order of their times, but for those that one of them cancels', () => {
  const clock = handClock();
  const deadlines = createDeadlines(clock);
  const order: number[] = [];
  const last = deadlines.add(40, { expire: () => void order.push(40) });
  const expire = (ms: number) => (): void => {
    order.push(ms);
    last.cancel();
  };
  for (const ms of [30, 10, 20]) deadlines.add(ms, { expire: expire(ms) });
  clock.advance(0);
  expect(order).toEqual([]);
  clock.skip(100);
  expect(order).toEqual([10, 20, 30]);
});

test('a hundred thousand of distinct lengths arm the timer for the earliest only, and are cancelled one by one', () => {
  const clock = handClock();
  const deadlines = createDeadlines(clock);
  const all = Array.from({ length: 100_000 }, (_, n) => deadlines.add(1_000 + ((n * 7_919) % 100_003), { expire() {} }));
  // Each time an earlier one came: about the logarithm of how many there are.
  expect(clock.armed).toBeLessThan(40);
  for (const each of all) each.cancel();
  expect(clock.pending).toBe(false);
});

test('a cancel of one that has expired touches none that came later with the same duration', () => {
  const clock = handClock();
  const deadlines = createDeadlines(clock);
  const expired: string[] = [];
  const first = deadlines.add(10, { expire: () => void expired.push('first') });
  clock.advance(10);
  deadlines.add(10, { expire: () => void expired.push('second') });
  first.cancel();
  clock.advance(10);
  expect(expired).toEqual(['first', 'second']);
});

test('one that expires may add and cancel others', () => {
  const clock = handClock();
  const deadlines = createDeadlines(clock);
  const expired: string[] = [];
  const victim = deadlines.add(20, { expire: () => expect.fail('it was cancelled') });
  const expire = (): void => {
    victim.cancel();
    deadlines.add(5, { expire: () => void expired.push('child') });
  };
  deadlines.add(10, { expire });
  clock.advance(14);
  expect(expired).toEqual([]);
  clock.advance(1);
  expect([expired, clock.pending]).toEqual([['child'], false]);
});

test('a fraction of a millisecond is waited for with one timer', () => {
  const clock = handClock();
  const deadlines = createDeadlines(clock);
  let expired = false;
  deadlines.add(0.25, { expire: () => void (expired = true) });
  clock.advance(1);
  expect([expired, clock.armed]).toEqual([true, 1]);
});

test('with a step they expire at its next multiple, those of one step together with one timer', () => {
  const clock = handClock();
  const deadlines = createDeadlines(clock, 100);
  const expired: [number, number][] = [];
  const began = clock.now();
  clock.advance(100 - (began % 100) + 30);
  const [since, armed] = [clock.now(), clock.armed];
  for (const ms of [10, 70, 71, 100, 170]) deadlines.add(ms, { expire: () => void expired.push([ms, clock.now() - since]) });
  for (let n = 0; n < 300; n += 1) clock.advance(1);
  expect(expired.sort(([a], [b]) => a - b)).toEqual([
    [10, 70],
    [70, 70],
    [71, 170],
    [100, 170],
    [170, 170],
  ]);
  expect(clock.armed - armed).toBe(2);
});

test('after close nothing expires and no timer is left, whatever is cancelled or added then', () => {
  const clock = handClock();
  const deadlines = createDeadlines(clock);
  const one = deadlines.add(10, { expire: () => expect.fail('it was closed') });
  deadlines.add(10, { expire: () => expect.fail('it was closed') });
  deadlines.close();
  one.cancel();
  deadlines.add(5, { expire: () => expect.fail('it was closed') });
  clock.advance(100);
  expect(clock.pending).toBe(false);
});
