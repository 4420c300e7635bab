// The heartbeats of an idle connection, driven by hand: what is sent when, and when the chart learns of a silence.
import { expect, test } from 'vitest';
import type { HostChannel } from '../../src/connection/channel.ts';
import { Heartbeats } from '../../src/connection/heartbeats.ts';
import { createDeadlines } from '../../src/world/deadlines.ts';
import { handClock } from '../world/clock.ts';

function openWatched() {
  const clock = handClock();
  const began = clock.now();
  const log: string[] = [];
  const channel = {
    paused: false,
    heardAt: began,
    codec: { heartbeat: (id: number) => id },
    queue: { addUrgent: (id: number) => log.push(`${clock.now() - began} heartbeat ${id}`) },
  };
  const heartbeats = new Heartbeats({
    channel: channel as never as HostChannel,
    clock,
    deadlines: createDeadlines(clock),
    interval: 8_000,
    firstId: 1,
    silent: () => log.push(`${clock.now() - began} silent`),
    answered: () => log.push(`${clock.now() - began} answered`),
  });
  const hear = (): void => {
    channel.heardAt = clock.now();
  };
  return { clock, channel, heartbeats, log, hear };
}

test('an agent that answers each heartbeat is heard without a report, and gets one heartbeat an interval at most', () => {
  const { clock, heartbeats, log, hear } = openWatched();
  heartbeats.watch();
  for (let id = 1; id <= 3; id += 1) {
    while (log.length < id) clock.step();
    clock.pass(10);
    hear();
    expect(heartbeats.roundTripOf(id)).toBe(10);
  }
  expect(log).toEqual(['8000 heartbeat 1', '17000 heartbeat 2', '26000 heartbeat 3']);
});

test('an agent that sends something else gets no heartbeat', () => {
  const { clock, heartbeats, log, hear } = openWatched();
  heartbeats.watch();
  for (let n = 0; n < 50; n += 1) {
    clock.pass(5_000);
    hear();
  }
  expect(log).toEqual([]);
});

test('a heartbeat that nothing follows for an interval is a silence; then the chart decides', () => {
  const { clock, heartbeats, log, hear } = openWatched();
  heartbeats.watch();
  clock.pass(100_000);
  expect(log).toEqual(['8000 heartbeat 1', '16000 silent']);
  heartbeats.send();
  clock.pass(8_000);
  expect(heartbeats.check()).toBe(false);
  hear();
  expect(heartbeats.check()).toBe(true);
  clock.pass(8_000);
  expect(log.slice(2)).toEqual(['100000 heartbeat 2', '116000 heartbeat 3']);
});

test('the answer to a heartbeat of the chart is reported, one to an older heartbeat is not', () => {
  const { clock, heartbeats, log, hear } = openWatched();
  heartbeats.watch();
  clock.pass(8_000);
  heartbeats.send();
  hear();
  expect([heartbeats.roundTripOf(1), heartbeats.roundTripOf(2)]).toEqual([null, 0]);
  expect(log).toEqual(['8000 heartbeat 1', '8000 heartbeat 2', '8000 answered']);
});

test('while reading is paused there is no silence, and each interval has a heartbeat', () => {
  const { clock, channel, heartbeats, log } = openWatched();
  channel.paused = true;
  Object.defineProperty(channel, 'heardAt', { get: () => clock.now() });
  heartbeats.watch();
  clock.pass(24_000);
  expect(log).toEqual(['8000 heartbeat 1', '16000 heartbeat 2', '24000 heartbeat 3']);
});

test('after the end nothing is sent any more', () => {
  const { clock, heartbeats, log } = openWatched();
  heartbeats.watch();
  heartbeats.end();
  heartbeats.watch();
  clock.pass(100_000);
  expect(log).toEqual([]);
});
