// When an instance counts as executing: from the first execution, until nothing is in flight for the quiet time.
import { expect, test } from 'vitest';
import { createActivity, QUIET_MS } from '../../src/execution/activity.ts';
import { createDeadlines } from '../../src/world/deadlines.ts';
import { handClock } from '../world/clock.ts';

function open() {
  const clock = handClock();
  const told: string[] = [];
  let inFlight = 0;
  const activity = createActivity(
    createDeadlines(clock),
    () => inFlight,
    happened => void told.push(happened),
  );
  const begin = (): void => {
    inFlight += 1;
    activity.begin();
  };
  const end = (): void => {
    inFlight -= 1;
    if (inFlight === 0) activity.idle();
  };
  return { clock, told, activity, begin, end };
}

test('executions at the same time are one activity, reported once', () => {
  const { clock, told, begin, end } = open();
  begin();
  begin();
  end();
  clock.pass(2 * QUIET_MS);
  expect(told).toEqual(['begun']);
  end();
  expect(told).toEqual(['begun']);
  clock.pass(QUIET_MS);
  expect([told, clock.pending]).toEqual([['begun', 'finished'], []]);
  begin();
  expect(told).toEqual(['begun', 'finished', 'begun']);
});

test('a stream of short executions is one activity', () => {
  const { clock, told, begin, end } = open();
  for (let i = 0; i < 10; i += 1) {
    begin();
    end();
    clock.pass(QUIET_MS / 2);
  }
  expect(told).toEqual(['begun']);
  clock.pass(2 * QUIET_MS);
  expect(told).toEqual(['begun', 'finished']);
});

test('an execution in flight when the quiet time is over continues the activity', () => {
  const { clock, told, begin, end } = open();
  begin();
  end();
  begin();
  clock.pass(2 * QUIET_MS);
  expect(told).toEqual(['begun']);
  end();
  clock.pass(2 * QUIET_MS);
  expect(told).toEqual(['begun', 'finished']);
});

test('reset() reports executions in flight anew, and the end of those whose quiet time it cuts short', () => {
  const { clock, told, activity, begin, end } = open();
  activity.reset();
  expect(told).toEqual([]);
  begin();
  activity.reset();
  expect(told).toEqual(['begun', 'begun']);
  end();
  activity.reset();
  expect(told).toEqual(['begun', 'begun', 'finished']);
  activity.reset();
  clock.pass(2 * QUIET_MS);
  expect(told).toEqual(['begun', 'begun', 'finished']);
  begin();
  expect(told).toEqual(['begun', 'begun', 'finished', 'begun']);
});

test('after close() nothing is reported', () => {
  const { clock, told, activity, begin, end } = open();
  begin();
  end();
  activity.close();
  clock.pass(2 * QUIET_MS);
  expect(told).toEqual(['begun']);
});
