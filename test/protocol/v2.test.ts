// The decoder of wire v2: any split of any frames gives the same messages and the same error.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cut, decode, decoder, encode, inPieces, type Message, seen, type To, written } from './v2.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const hex = fc.uint8Array({ maxLength: 80 }).map(bytes => Buffer.from(bytes).toString('hex'));
const offset = fc.option(fc.maxSafeNat());
const either = fc.oneof(
  fc.record({ type: fc.constant('Heartbeat' as const), payload_hex: hex }),
  fc.record({ type: fc.constantFrom('Resume' as const, 'Acknowledge' as const), count: fc.maxSafeNat() }),
);
const toAgent: fc.Arbitrary<Message> = fc.oneof(
  fc.record({
    type: fc.constant('Request' as const),
    task_id: text,
    command: text,
    args: fc.array(text, { maxLength: 4 }),
    env: fc.dictionary(text, text, { maxKeys: 3, noNullPrototype: true }).map(Object.entries),
    input_hex: fc.option(hex),
  }),
  fc.constant({ type: 'Cancel' as const }),
  fc.record({ type: fc.constant('Window' as const), bytes: fc.nat() }),
  fc.record({ type: fc.constant('Signal' as const), text }),
  fc.constant({ type: 'Terminate' as const, grace_ms: 5 }),
  either,
);
const toHost: fc.Arbitrary<Message> = fc.oneof(
  fc.record({ type: fc.constant('Started' as const), output_offset: offset }),
  fc.record({
    type: fc.constant('Output' as const),
    output_offset: offset,
    channel: fc.constantFrom('stdout' as const, 'stderr' as const),
    output_hex: hex,
  }),
  fc.record({
    type: fc.constant('Result' as const),
    output_offset: offset,
    status: fc.constantFrom('Completed' as const, 'Failed' as const),
    exit_code: fc.option(fc.integer()),
    error: fc.option(text),
    output_hex: fc.option(hex),
  }),
  fc.record({ type: fc.constant('Report' as const), text: fc.json().map(value => `{"signal":"progress","value":${value}}`) }),
  either,
);

const hasId = ({ type }: Message): boolean => !['Signal', 'Terminate', 'Resume', 'Acknowledge'].includes(type);
const canBePieces = ({ type }: Message): boolean => type === 'Request' || type === 'Result';

/** Messages with ids of their own and the frames of each, pieces among those of others; the messages in the order of their ends. */
function interleave(to: To, messages: readonly Message[], sizes: readonly number[], picks: readonly number[]) {
  const named = messages.map((message, n) => (hasId(message) ? { ...message, request_id: 2 ** (n * 5) } : message));
  const queue = named.map((message, n) => {
    const frame = written(encode(to, message));
    const size = sizes[n % sizes.length]!;
    const frames: Buffer[] = [];
    const pieces = canBePieces(message) && frame.length > 16 + size ? inPieces(frame) : null;
    while (pieces !== null && pieces.left > 0) frames.push(Buffer.concat(pieces.take(size)));
    return { message, frames: pieces === null ? [frame] : frames };
  });
  const stream: Buffer[] = [];
  const ended: Message[] = [];
  const open = queue.splice(0, 4);
  for (let n = 0; open.length > 0; n += 1) {
    const at = picks[n % picks.length]! % open.length;
    stream.push(open[at]!.frames.shift()!);
    if (open[at]!.frames.length > 0) continue;
    const [done] = open.splice(at, 1, ...queue.splice(0, 1));
    ended.push(seen(done!.message));
  }
  return { stream: Buffer.concat(stream), messages: ended };
}

const streams = (to: To) =>
  fc
    .tuple(
      fc.array(to === 'agent' ? toAgent : toHost, { minLength: 1, maxLength: 9 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }),
      fc.array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 20 }),
    )
    .map(([messages, sizes, picks]) => interleave(to, messages, sizes, picks));
const cuts = fc.array(fc.nat(), { maxLength: 30 });

describe.each(['agent', 'host'] as const)('frames to the %s', to => {
  test('any split of any frames, with pieces among them, gives the same messages', () => {
    fc.assert(
      fc.property(streams(to), cuts, ({ stream, messages }, at) => {
        expect(decode(to, cut(stream, at))).toEqual({ messages, code: null, unfinished: 0 });
      }),
    );
  });

  test('byte by byte gives what one chunk gives', () => {
    fc.assert(
      fc.property(streams(to), ({ stream, messages }) => {
        expect(decode(to, cut(stream, [...stream.keys()]))).toEqual({ messages, code: null, unfinished: 0 });
      }),
      { numRuns: 30 },
    );
  });

  test('changed bytes give the same messages and the same error, however they are split', () => {
    const change = fc.record({
      at: fc.nat(),
      by: fc.oneof(fc.integer({ min: 1, max: 255 }), fc.constantFrom(1, 2, 128)),
      kind: fc.nat({ max: 2 }),
    });
    fc.assert(
      fc.property(streams(to), fc.array(change, { minLength: 1, maxLength: 4 }), cuts, ({ stream }, changes, at) => {
        let bytes = Buffer.from(stream);
        for (const { at: place, by, kind } of changes) {
          const n = place % bytes.length;
          if (kind === 0) bytes[n]! ^= by;
          else
            bytes = Buffer.concat([
              bytes.subarray(0, n),
              kind === 1 ? bytes.subarray(Math.min(bytes.length - 1, n + 1)) : bytes.subarray(Math.max(0, n - 1)),
            ]);
        }
        const whole = decode(to, [bytes]);
        expect(decode(to, cut(bytes, at))).toEqual(whole);
        expect(decode(to, cut(bytes, [...bytes.keys()]))).toEqual(whole);
      }),
      { numRuns: 300 },
    );
  });

  test('a pause at every message loses none, and what was kept is read on or by another decoder', () => {
    fc.assert(
      fc.property(streams(to), cuts, fc.boolean(), ({ stream, messages }, at, isHandedOver) => {
        const heard: Message[] = [];
        const open = () =>
          decoder(to, 2 ** 20, message => {
            heard.push(message);
            reader.pause();
          });
        let reader = open();
        const waiting = cut(stream, at);
        while (waiting.length > 0 || heard.length < messages.length) {
          const before = heard.length;
          const chunk = waiting.shift();
          if (chunk !== undefined) reader.push(chunk);
          expect(heard.length).toBeLessThanOrEqual(before + 1);
          if (isHandedOver && reader.unfinished === 0) {
            const rest = reader.rest();
            reader = open();
            waiting.unshift(...rest);
          } else reader.resume();
          expect(heard.length).toBeLessThanOrEqual(before + 2);
        }
        expect(heard).toEqual(messages);
      }),
    );
  });
});
