// The fast reader and writer of wire v1 against plain ones, over random frames, hostile frames, and every split of them.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SpearletError } from '../../src/errors.ts';
import { createV1 } from '../../src/protocol/v1/codec.ts';
import * as v1 from '../../src/protocol/v1/messages.ts';
import { realClock } from '../../src/world/clock.ts';
import { readPlainly, type Seen } from './v1-reference.ts';

const LIMIT = 20_000;
const codecs = createV1(realClock);

/** The messages that a decoder gives for these chunks, up to the first error. */
function readFast(chunks: readonly Buffer[]): Seen {
  const messages: unknown[][] = [];
  let error: string | null = null;
  // What arrives for both sides is read by the same code, so one receiver serves: a request is what a host hands to `other`.
  const note = {
    authRequest: () => {},
    resume: () => {},
    executeResponse: (id: unknown, response: object) => messages.push(['response', id, response]),
    heartbeat: (_: unknown, payload: Buffer) => messages.push(['Heartbeat', Buffer.from(payload)]),
    other: (type: string, payload: Buffer) =>
      messages.push(type === 'ExecuteRequest' ? ['request', null, v1.decodeExecuteRequest(payload)] : [type, Buffer.from(payload)]),
  };
  const decoder = codecs.host.createDecoder(LIMIT, note, () => {});
  try {
    // A decoder may write into what it gets.
    for (const chunk of chunks) decoder.push(Buffer.from(chunk));
  } catch (thrown) {
    if (!(thrown instanceof SpearletError)) throw thrown;
    error = thrown.code;
  }
  return { messages, error, unfinished: error === null ? decoder.unfinished : 0 };
}

const withoutRequestIds = (seen: Seen): Seen => ({
  ...seen,
  messages: seen.messages.map(each => (each[0] === 'request' ? ['request', null, each[2]] : each)),
});

const anyText = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.string({ maxLength: 90 }),
  fc.constantFrom('', '"', '\\', '\n\u0000\u001f', '\u007f\u0080'),
);
const anyPayload = fc.oneof(
  fc
    .record({
      task_id: anyText,
      command: anyText,
      args: fc.array(anyText, { maxLength: 3 }),
      env: fc.dictionary(anyText, anyText, { maxKeys: 2 }),
    })
    .map(request => ({ message_type: 'ExecuteRequest', payload: JSON.stringify(request) })),
  fc
    .record({
      task_id: anyText,
      status: fc.constantFrom('Started', 'Running', 'Completed', 'Failed'),
      output: fc.option(anyText),
      error: fc.option(anyText),
      exit_code: fc.option(fc.integer()),
    })
    .map(response => ({ message_type: 'ExecuteResponse', payload: JSON.stringify(response) })),
  fc.uint8Array({ maxLength: 40 }).map(bytes => ({ message_type: 'Heartbeat', payload: bytes })),
);

/** Bytes that mean something to a reader of JSON or of UTF-8. */
const telling = fc.constantFrom(...Buffer.from('0123456789,:"\\[]{}- .eEnutf\n\0\u001f/'), 0x7f, 0x80, 0xbf, 0xc3, 0xe2, 0xed, 0xff);
const edit = fc.tuple(fc.constantFrom('replace', 'insert', 'remove', 'repeat'), fc.nat(), telling);
/** Most texts stay whole, so that many streams are read to their end. */
const edits = fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.array(edit, { minLength: 1, maxLength: 2 }) });
type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never;

function damage(bytes: Buffer, edits: readonly Edit[]): Buffer {
  let damaged = Buffer.from(bytes);
  for (const [what, place, byte] of edits) {
    const at = place % (damaged.length + 1);
    const rest = { replace: at + 1, insert: at, remove: at + 1, repeat: Math.max(0, at - (byte % 16)) }[what]!;
    const between = what === 'replace' || what === 'insert' ? Buffer.from([byte]) : Buffer.alloc(0);
    damaged = Buffer.concat([damaged.subarray(0, at), between, damaged.subarray(rest)]);
  }
  return damaged;
}

function frameOf(body: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeBigUInt64LE(BigInt(body.length));
  return Buffer.concat([header, body]);
}

const anyFrame = fc
  .record({
    content: anyPayload,
    request_id: fc.oneof(fc.nat(), fc.bigInt({ min: 0n, max: 2n ** 64n })),
    gap: fc.constantFrom('', '', ' ', '\n\t'),
    inner: edits,
    outer: edits,
  })
  .map(({ content: { message_type, payload }, request_id, gap, inner, outer }) => {
    const numbers = damage(Buffer.from(payload as string), inner);
    const text = `{"message_type":"${message_type}",${gap}"request_id":${request_id},"timestamp":{"secs_since_epoch":1,"nanos_since_epoch":2},"payload":[${[...numbers].join(`,${gap}`)}]}`;
    return frameOf(damage(Buffer.from(text), outer));
  });

test('random and hostile frames are read, or refused, as a plain reader reads or refuses them', () => {
  let refused = 0;
  let read = 0;
  fc.assert(
    fc.property(fc.array(anyFrame, { minLength: 1, maxLength: 3 }), frames => {
      const stream = Buffer.concat(frames);
      const expected = withoutRequestIds(readPlainly(stream, LIMIT));
      if (expected.error === null) read += 1;
      else refused += 1;
      expect(readFast([stream])).toEqual(expected);
    }),
    { numRuns: 1_500 },
  );
  // Both happen, and often: a generator that makes only one of them would prove little.
  expect(Math.min(read, refused)).toBeGreaterThan(150);
});

test('a split at any byte, and the stream byte by byte, give what a plain reader gives', () => {
  fc.assert(
    fc.property(fc.array(anyFrame, { minLength: 1, maxLength: 2 }), frames => {
      const stream = Buffer.concat(frames);
      const expected = withoutRequestIds(readPlainly(stream, LIMIT));
      for (let cut = 0; cut < stream.length; cut += 1) expect(readFast([stream.subarray(0, cut), stream.subarray(cut)])).toEqual(expected);
      expect(readFast(Array.from(stream, byte => Buffer.from([byte])))).toEqual(expected);
    }),
    { numRuns: 15 },
  );
});

test('every number 0..255 is read in every place of a payload, and 256 in none', () => {
  const body = (numbers: readonly (number | string)[]) =>
    Buffer.from(
      `{"message_type":"Error","request_id":1,"timestamp":{"secs_since_epoch":1,"nanos_since_epoch":2},"payload":[${numbers.join(',')}]}`,
    );
  for (let value = 0; value < 256; value += 1)
    for (const numbers of [[value], [value, 7], [7, value], [7, value, 255]])
      expect([...v1.decodeMessage(body(numbers)).payload]).toEqual(numbers);
  for (const wrong of [256, 300, 999, 1000, '00', '01', '007', '-1', '1.0', '1e1', '1 2', 'x', '/1', ':1', '1/', '1:', '12/', '12:', '12x'])
    for (const numbers of [[wrong], [wrong, 7], [7, wrong], [7, wrong, 255, 255]])
      expect(() => v1.decodeMessage(body(numbers)), String(numbers)).toThrow(SpearletError);
});

test('a frame is written as JSON.stringify writes it, of any size, and writing the next one leaves it alone', () => {
  const payload = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    anyText,
    fc.constantFrom(7_900, 8_100, 9_000).map(length => 'é"x'.repeat(length / 4)),
  );
  fc.assert(
    fc.property(fc.array(payload, { minLength: 1, maxLength: 40 }), payloads => {
      const frames = payloads.map((each, id) => v1.encodeFrame('Signal', id, { secs: 5, nanos: 6 }, each));
      const expected = payloads.map((each, request_id) => {
        const timestamp = { secs_since_epoch: 5, nanos_since_epoch: 6 };
        return frameOf(
          Buffer.from(JSON.stringify({ message_type: 'Signal', request_id, timestamp, payload: [...Buffer.from(each as string)] })),
        );
      });
      frames.forEach((frame, i) => {
        expect(frame.equals(expected[i]!)).toBe(true);
      });
    }),
  );
});

test('a request and a response are written as JSON.stringify writes them', () => {
  fc.assert(
    fc.property(anyText, anyText, fc.array(anyText), (taskId, output, args) => {
      const request = v1.encodeExecuteRequest({ taskId, command: output, args, env: new Map([[taskId, output]]) });
      expect(request).toBe(JSON.stringify({ task_id: taskId, command: output, args, env: Object.fromEntries([[taskId, output]]) }));
      const response = v1.encodeExecuteResponse({ taskId, status: 'Running', output, error: null, exitCode: -7 });
      expect(response).toBe(JSON.stringify({ task_id: taskId, status: 'Running', output, error: null, exit_code: -7 }));
    }),
  );
});
