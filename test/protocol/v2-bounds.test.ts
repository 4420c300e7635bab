// The decoder of wire v2 keeps what has arrived, and allocates nothing for what was only announced.
import { describe, expect, test } from 'vitest';
import { SpearletError } from '../../src/errors.ts';
import type { HostReceiver } from '../../src/protocol/codec.ts';
import { Pieces } from '../../src/protocol/pieces.ts';
import { agent, cut, decode, decoder, host, inPieces, written } from './v2.ts';

const MIB = 2 ** 20;
const gc = (globalThis as { gc?: () => void }).gc!;

describe('bounds', () => {
  const large = (id: number, size: number): Pieces =>
    agent.executeResponse(id, { taskId: null, status: 'Completed', output: Buffer.alloc(size, id), error: null, exitCode: 0 }) as Pieces;
  const header = (length: number, flags = 0): Buffer => {
    const bytes = written(inPieces(Buffer.concat([Buffer.from('0000000013200000', 'hex'), Buffer.alloc(9)])));
    bytes.writeUInt32LE(length);
    bytes[5]! |= flags;
    return bytes.subarray(0, 16);
  };
  const held = (): number => {
    // The second waits until the buffers that the first one found are freed.
    gc();
    gc();
    return process.memoryUsage().arrayBuffers;
  };

  test('a body above 64 KiB is written in pieces, and read as one', () => {
    expect(
      agent.executeResponse(1, { taskId: null, status: 'Running', output: Buffer.alloc(MIB), error: null, exitCode: null }),
    ).toBeInstanceOf(Buffer);
    for (const size of [65_532, 65_533, 200_000, MIB]) {
      const bytes = written(large(7, size));
      expect(decode('host', cut(bytes, [1, 17, 65_000, 131_072, 131_100])).messages).toEqual([
        {
          ...{ type: 'Result', request_id: 7, output_offset: null, status: 'Completed', exit_code: 0, error: null },
          output_hex: '07'.repeat(size),
        },
      ]);
      expect(bytes.length).toBe(4 + size + 16 * Math.ceil((4 + size) / (128 * 1_024)));
    }
    expect(large(7, 65_532)).toBeInstanceOf(Buffer);
    expect(large(7, 65_533)).toBeInstanceOf(Pieces);
  });

  test('a body, and all pieces of it together, may be as long as the limit and no longer', () => {
    expect(decode('host', [header(1_000)], 1_000).code).toBe(null);
    expect(decode('host', [header(1_001)], 1_000).code).toBe('FRAME_TOO_LARGE');
    const pieces = (count: number) => Array.from({ length: count }, () => Buffer.concat([header(100, 1), Buffer.alloc(100)]));
    expect(decode('host', pieces(10), 1_000).code).toBe(null);
    expect(decode('host', pieces(11), 1_000).code).toBe('FRAME_TOO_LARGE');
  });

  test('a length that is only announced allocates nothing', () => {
    const before = held();
    const readers = Array.from({ length: 1_000 }, (_, n) => {
      const reader = decoder('host', 32 * MIB, () => {});
      reader.push(header(32 * MIB, n % 2));
      return reader;
    });
    expect(held() - before).toBeLessThan(MIB);
    expect(readers.every(({ unfinished }) => unfinished === 16)).toBe(true);
  });

  test.each([1, 100, 5_000, 70_000])('a body that arrives in chunks of %i bytes holds less than twice its size', size => {
    const before = held();
    const reader = decoder('host', 32 * MIB, () => {});
    reader.push(header(32 * MIB));
    const total = size === 1 ? MIB / 2 : 8 * MIB;
    for (let sent = 0; sent < total; sent += size) reader.push(Buffer.allocUnsafeSlow(size));
    expect(held() - before).toBeLessThan(2 * total + MIB);
    expect(reader.unfinished).toBeGreaterThan(total);
  });

  test('a body in pieces of one byte, each in a chunk of its own of 64 KiB with other frames, holds less than twice its size', () => {
    const before = held();
    let beats = 0;
    const reader = decoder('host', 32 * MIB, () => (beats += 1));
    const filler = Buffer.from(`${'00000000'}21000000${'01'.padEnd(16, '0')}`, 'hex');
    const piece = Buffer.concat([header(1, 1), Buffer.alloc(1)]);
    for (let n = 0; n < 20_000; n += 1) {
      const chunk = Buffer.allocUnsafeSlow(4_096);
      for (let at = piece.copy(chunk); at + 16 <= 4_096; at += 16) filler.copy(chunk, at);
      reader.push(chunk.subarray(0, piece.length + 16 * Math.floor((4_096 - piece.length) / 16)));
    }
    expect(beats).toBe(20_000 * Math.floor((4_096 - piece.length) / 16));
    expect(held() - before).toBeLessThan(MIB);
    expect(reader.unfinished).toBe(20_000);
  });

  test('after a fault nothing is held', () => {
    const before = held();
    const reader = decoder('host', 32 * MIB, () => {});
    reader.push(header(8 * MIB, 1));
    for (let n = 0; n < 8; n += 1) reader.push(Buffer.allocUnsafeSlow(MIB));
    expect(held() - before).toBeGreaterThan(7 * MIB);
    expect(() => reader.push(Buffer.alloc(16))).toThrow(SpearletError);
    expect(held() - before).toBeLessThan(MIB);
  });
});

/** A decoder that hands the payload of each heartbeat to `heard`. */
const heartbeats = (heard: (payload: Buffer) => void) =>
  host.createDecoder(4 * MIB, { heartbeat: (_id: unknown, payload: Buffer) => heard(payload) } as HostReceiver, () => {});

test.each([100_000, 3 * MIB])('a body of %i bytes stays whole while it is read, also if another connection joins one meanwhile', size => {
  const chunksOf = (byte: number): Buffer[] => cut(agent.heartbeat(1, Buffer.alloc(size, byte)), [50_000]);
  const read: number[] = [];
  const other = heartbeats(payload => read.push(payload[size - 1]!));
  const first = heartbeats(payload => {
    for (const chunk of chunksOf(2)) other.push(chunk);
    read.push(payload[0]!, payload[size - 1]!);
  });
  for (let round = 0; round < 2; round += 1) for (const chunk of chunksOf(1)) first.push(chunk);
  expect(read).toEqual([2, 1, 1, 2, 1, 1]);
});
