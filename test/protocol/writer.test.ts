// Frames of wire v2 lie side by side in slabs of 64 KiB: none reaches into another or is cut.
import { expect, test } from 'vitest';
import { HEARTBEAT } from '../../src/protocol/v2/types.ts';
import { LARGE, Writer } from '../../src/protocol/v2/writer.ts';

const frameOf = (n: number, size: number): Buffer => new Writer(HEARTBEAT, 0, n, size).bytes(Buffer.alloc(size, n)).frame();

test.each([1, 1_000, 20_000, 32_752, 32_753, 70_000])('frames with bodies of %i bytes stay whole, whatever comes behind them', size => {
  const frames = Array.from({ length: 12 }, (_, n) => frameOf(n, size));
  for (const [n, frame] of frames.entries()) {
    expect([frame.length, frame.readUInt32LE(0), frame.readUInt32LE(8)]).toEqual([16 + size, size, n]);
    expect(frame.subarray(16).equals(Buffer.alloc(size, n))).toBe(true);
  }
});

test('a body above 64 KiB is sent in pieces, one of 64 KiB in a frame', () => {
  const encoded = (size: number) => new Writer(HEARTBEAT, 0, 0, size).bytes(Buffer.alloc(size)).encoded();
  expect(encoded(LARGE)).toBeInstanceOf(Buffer);
  expect(encoded(LARGE + 1)).not.toBeInstanceOf(Buffer);
});
