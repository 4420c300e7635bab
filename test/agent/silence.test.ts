// An agent ends a connection on which it does not hear its host, on a clock moved by hand.
import { expect, test } from 'vitest';
import { watchSilence } from '../../src/agent/silence.ts';
import { handClock } from '../world/clock.ts';

function open(silence: number) {
  const clock = handClock();
  const beats: number[] = [];
  const ends: number[] = [];
  const ids = new Set<unknown>();
  const channel = {
    heardAt: clock.now(),
    codec: { heartbeat: (id: number) => id },
    queue: { addUrgent: (id: number) => void beats.push(id) },
    end: () => void ends.push(clock.now() - 1_000),
  };
  const stop = watchSilence(channel as never, clock, silence, ids as never);
  return { clock, channel, beats, ends, ids, stop };
}

test('a host that is not heard for the whole silence is given up, after two heartbeats that asked for an answer', () => {
  const { clock, beats, ends, ids } = open(8_000);
  clock.pass(7_999);
  expect([beats.length, ids.size, ends]).toEqual([2, 2, []]);
  clock.pass(1);
  expect([beats.length, ends, clock.pending]).toEqual([2, [8_000], []]);
});

test('a silence below three seconds counts as three seconds', () => {
  const { clock, ends } = open(100);
  clock.pass(10_000);
  expect(ends).toEqual([3_000]);
});

test('a host that is heard in time is not given up', () => {
  const { clock, channel, ends, stop } = open(4_000);
  for (let n = 0; n < 10; n += 1) {
    clock.pass(3_300);
    channel.heardAt = clock.now();
  }
  expect(ends).toEqual([]);
  stop();
  expect(clock.pending).toEqual([]);
});
