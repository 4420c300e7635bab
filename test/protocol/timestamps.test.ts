// The time that each frame of wire v1 states: that of its encoding.
import { expect, test } from 'vitest';
import { createV1 } from '../../src/protocol/v1/codec.ts';
import { decodeMessage, HEADER_BYTES } from '../../src/protocol/v1/messages.ts';

test('a frame states the wall clock, also where frames of several codecs and times follow each other', () => {
  let wall = 0;
  const codecs = [0, 500].map(offset => createV1({ wall: () => wall + offset } as never).host);
  const stated = (n: number) => decodeMessage(codecs[n]!.heartbeat(1, '').subarray(HEADER_BYTES)).timestamp;
  const times = [0, 1_250, 1_250, 2_000, 1_999].map(at => {
    wall = at;
    return [stated(0), stated(1), stated(0)];
  });
  const of = (ms: number) => ({ secs: Math.floor(ms / 1_000), nanos: (ms % 1_000) * 1e6 });
  expect(times).toEqual([0, 1_250, 1_250, 2_000, 1_999].map(ms => [of(ms), of(ms + 500), of(ms)]));
});
