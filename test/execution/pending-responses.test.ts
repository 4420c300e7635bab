// Responses that are due within a time: when they count as overdue.
import { expect, test } from 'vitest';
import { createPendingResponses } from '../../src/execution/pending-responses.ts';
import { createDeadlines } from '../../src/world/deadlines.ts';
import { handClock } from '../world/clock.ts';

function setUp() {
  const clock = handClock();
  const told: string[] = [];
  const state = { isPaused: false };
  const deadlines = createDeadlines(clock);
  const pending = createPendingResponses<number, string>({
    deadlines,
    within: 5_000,
    isPaused: () => state.isPaused,
    overdue: (_, value) => void told.push(value),
  });
  return { clock, told, state, pending };
}

test('a response is overdue when its time has passed, not before', () => {
  const { clock, told, pending } = setUp();
  pending.expect(1, 'first');
  clock.pass(4_999);
  expect(told).toEqual([]);
  clock.pass(1);
  expect(told).toEqual(['first']);
});

test('a process that stands still for the whole time reads the response before it judges', () => {
  const { clock, told, pending } = setUp();
  pending.expect(1, 'answered');
  pending.expect(2, 'silent');
  clock.pass(10);
  // Timers run before the sockets are read.
  clock.work(6_000);
  clock.pass(0);
  pending.settle(1);
  clock.pass(5_000);
  expect(told).toEqual(['silent']);
});

test('after a pause a response has its whole time again', () => {
  const { clock, told, state, pending } = setUp();
  pending.expect(1, 'first');
  state.isPaused = true;
  clock.pass(4_000);
  state.isPaused = false;
  clock.pass(4_000);
  expect(told).toEqual([]);
  clock.pass(1_000);
  expect(told).toEqual(['first']);
});
