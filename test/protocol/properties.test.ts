// Any split of any frames gives the same messages; what is written is read back; garbage throws and nothing else.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SpearletError } from '../../src/errors.ts';
import { messageTypes, statuses } from '../../src/protocol/message.ts';
import { createFrameReader } from '../../src/protocol/v1/decoder.ts';
import * as v1 from '../../src/protocol/v1/messages.ts';
import { HEADER_BYTES } from '../../src/protocol/v1/messages.ts';

const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(value => (value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value));
const i64 = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }).map(value => (value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value));
const anyText = fc.string({ unit: 'grapheme' });
const anyMessage = fc.record({
  type: fc.constantFrom(...messageTypes),
  requestId: u64,
  timestamp: fc.record({ secs: i64, nanos: fc.integer({ min: 0, max: 999_999_999 }) }),
  payload: fc.uint8Array({ maxLength: 300 }).map(bytes => Buffer.from(bytes)),
});
const encode = (m: typeof anyMessage extends fc.Arbitrary<infer T> ? T : never) =>
  v1.encodeFrame(m.type, m.requestId, m.timestamp, m.payload);
const decodeAll = (chunks: Buffer[]) => {
  const messages: unknown[] = [];
  const reader = createFrameReader(2 ** 20, body => {
    const message = v1.decodeMessage(body);
    messages.push({ ...message, payload: Buffer.from(message.payload) });
  });
  for (const chunk of chunks) reader.push(chunk);
  return { messages, unfinished: reader.unfinished };
};

describe('framing', () => {
  test('any split of any frames gives the same messages', () => {
    fc.assert(
      fc.property(fc.array(anyMessage, { maxLength: 6 }), fc.array(fc.nat(), { maxLength: 40 }), (messages, cuts) => {
        const stream = Buffer.concat(messages.map(encode));
        const places = [...new Set(cuts.map(cut => cut % (stream.length + 1)))].sort((a, b) => a - b);
        const chunks = [0, ...places].map((from, i) => Buffer.from(stream.subarray(from, places[i] ?? stream.length)));
        expect(decodeAll(chunks)).toEqual({ messages, unfinished: 0 });
      }),
    );
  });

  test('byte by byte gives what one chunk gives', () => {
    fc.assert(
      fc.property(fc.array(anyMessage, { minLength: 1, maxLength: 3 }), messages => {
        const stream = Buffer.concat(messages.map(encode));
        expect(decodeAll([...stream].map(byte => Buffer.from([byte])))).toEqual({ messages, unfinished: 0 });
      }),
      { numRuns: 30 },
    );
  });

  test('a pause holds frames back, in the middle of a chunk too, and loses none', () => {
    const frames = [1, 2, 3].map(id => v1.encodeFrame('Heartbeat', id, { secs: 0, nanos: 0 }, ''));
    const seen: unknown[] = [];
    const reader = createFrameReader(1000, body => {
      seen.push(v1.decodeMessage(body).requestId);
      reader.pause();
    });
    reader.push(Buffer.concat(frames.slice(0, 2)));
    reader.push(frames[2]!);
    expect(seen).toEqual([1]);
    reader.resume();
    expect(seen).toEqual([1, 2]);
    reader.resume();
    expect(seen).toEqual([1, 2, 3]);
  });

  test('the length is bounded before anything is allocated', () => {
    const before = process.memoryUsage().arrayBuffers;
    for (const length of [2n ** 64n - 1n, 2n ** 63n, 2n ** 40n, 2n ** 32n, 1001n]) {
      const header = Buffer.alloc(8);
      header.writeBigUInt64LE(length);
      expect(() => createFrameReader(1000, () => {}).push(header)).toThrow(
        expect.objectContaining({
          code: 'FRAME_TOO_LARGE',
          message: expect.stringContaining(length < 2n ** 48n ? `${length} bytes` : 'more bytes'),
        }),
      );
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20);
    expect(() => createFrameReader(1000, () => {}).push(Buffer.alloc(8))).toThrow(expect.objectContaining({ code: 'PROTOCOL_ERROR' }));
  });

  test('an unfinished frame is known as such', () => {
    const frame = v1.encodeFrame('Heartbeat', 1, { secs: 0, nanos: 0 }, '');
    for (const cut of [1, 7, 8, frame.length - 1]) expect(decodeAll([frame.subarray(0, cut)]).unfinished).toBe(cut);
  });
});

describe('structs', () => {
  const body = (text: string) => Buffer.from(text);

  test('a request survives', () => {
    fc.assert(
      fc.property(anyText, anyText, fc.array(anyText), fc.array(fc.tuple(anyText, anyText)), (taskId, command, args, pairs) => {
        const request = { taskId, command, args, env: new Map(pairs) };
        expect(v1.decodeExecuteRequest(body(v1.encodeExecuteRequest(request)))).toEqual(request);
      }),
    );
  });

  test('a response survives', () => {
    const option = fc.option(anyText);
    fc.assert(
      fc.property(
        anyText,
        fc.constantFrom(...statuses),
        option,
        option,
        fc.option(fc.integer()),
        (taskId, status, output, error, exitCode) => {
          const response = { taskId, status, output, error, exitCode };
          expect(v1.decodeExecuteResponse(body(v1.encodeExecuteResponse(response)))).toEqual(response);
        },
      ),
    );
  });

  test('mutilated frames are refused with a typed error or read, and never anything else', () => {
    fc.assert(
      fc.property(anyMessage, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }), (message, edits) => {
        const damaged = encode(message).subarray(HEADER_BYTES);
        for (const [at, byte] of edits) damaged[at % damaged.length] = byte;
        try {
          v1.decodeMessage(damaged);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(SpearletError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
