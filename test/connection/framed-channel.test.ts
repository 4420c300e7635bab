// Messages over a byte stream: counts, pauses, faults, and the end of the stream.
import { expect, test } from 'vitest';
import type { ChannelEnd, HostChannel } from '../../src/connection/channel.ts';
import { Continuity } from '../../src/connection/continuity.ts';
import { createFramedChannel } from '../../src/connection/framed-channel.ts';
import { SpearletError } from '../../src/errors.ts';
import type { HostReceiver } from '../../src/protocol/codec.ts';
import { createV1 } from '../../src/protocol/v1/codec.ts';
import { createFrameReader } from '../../src/protocol/v1/decoder.ts';
import { decodeMessage, encodeFrame } from '../../src/protocol/v1/messages.ts';
import { handClock } from '../world/clock.ts';
import { handStream } from '../world/stream.ts';

const beat = (id: number): Buffer => encodeFrame('Heartbeat', id, { secs: 1, nanos: 2 }, '');
const LIMIT = 1_000;
const onHeartbeat = (heartbeat: (requestId: unknown) => void): HostReceiver => ({
  heartbeat,
  authRequest() {},
  executeResponse() {},
  resume() {},
  other() {},
});

function open(limit = LIMIT) {
  const stream = handStream();
  const clock = handClock();
  const link: HostChannel = createFramedChannel(stream, clock, createV1(clock).host, limit);
  const seen: unknown[] = [];
  const ends: ChannelEnd[] = [];
  const held: boolean[] = [];
  let drains = 0;
  link.open(
    onHeartbeat(requestId => void seen.push(requestId)),
    {
      ended: end => void ends.push(end),
      readingPaused: on => void held.push(on),
      drained: () => void (drains += 1),
    },
  );
  const written = () => {
    const messages: unknown[] = [];
    const reader = createFrameReader(LIMIT, body => {
      const { type, requestId, timestamp, payload } = decodeMessage(Buffer.from(body));
      messages.push({ type, requestId, timestamp, payload: String(payload) });
    });
    for (const frame of stream.writes.flat()) reader.push(frame);
    return messages;
  };
  return { stream, clock, link, seen, ends, held, written, drains: () => drains };
}

test('messages and bytes are counted in both directions, with the time of the last arrival', () => {
  const { stream, clock, link, seen } = open();
  expect(link.counts).toEqual({
    connectedAt: 1_000,
    lastActivity: 1_000,
    messagesSent: 0,
    messagesReceived: 0,
    bytesSent: 0,
    bytesReceived: 0,
    errorCount: 0,
  });
  clock.pass(50);
  expect(link.heardAt).toBe(1_000);
  const frames = Buffer.concat([beat(1), beat(2)]);
  stream.events.data(frames);
  expect(seen).toEqual([1, 2]);
  clock.pass(25);
  link.queue.add(link.codec.heartbeat(3, ''));
  expect(link.counts.messagesSent).toBe(0);
  link.finish(() => {});
  expect(link.counts).toEqual({
    connectedAt: 1_000,
    lastActivity: 1_050,
    messagesSent: 1,
    messagesReceived: 2,
    bytesSent: stream.writes[0]![0]!.length,
    bytesReceived: frames.length,
    errorCount: 0,
  });
  expect([link.heardAt, link.peer]).toEqual([1_050, 'a test']);
});

test('a message carries the time of day in seconds and nanoseconds', () => {
  const { link, written } = open();
  link.queue.add(link.codec.heartbeat(7, Buffer.from('hello')));
  link.close();
  expect(written()).toEqual([{ type: 'Heartbeat', requestId: 7, timestamp: { secs: 1_700_000_001, nanos: 0 }, payload: 'hello' }]);
});

test('the nanoseconds are the fraction of the second', () => {
  const { clock, link, written } = open();
  clock.pass(250.5);
  link.queue.add(link.codec.heartbeat(7, ''));
  link.close();
  expect(written()).toMatchObject([{ timestamp: { secs: 1_700_000_001, nanos: 250_500_000 } }]);
});

test('while it is held no message is delivered, in the middle of a chunk too, and silence does not count', () => {
  const { stream, clock, link, seen, held } = open();
  link.open(
    onHeartbeat(requestId => {
      seen.push(requestId);
      if (requestId === 1) link.pauseReading();
    }),
    { ended() {}, readingPaused: on => void held.push(on) },
  );
  stream.events.data(Buffer.concat([beat(1), beat(2)]));
  link.pauseReading();
  clock.pass(5_000);
  expect([seen, link.paused, held, stream.calls, link.heardAt]).toEqual([[1], true, [true], ['pause'], 6_000]);
  link.resumeReading();
  clock.pass(10);
  link.resumeReading();
  expect([seen, link.paused, held, stream.calls, link.heardAt]).toEqual([[1, 2], false, [true, false], ['pause', 'resume'], 6_000]);
});

test('admit() reads on, with a larger bound for frames', () => {
  const { stream, link, seen, ends } = open(100);
  link.pauseReading();
  const large = encodeFrame('Heartbeat', 9, { secs: 1, nanos: 2 }, 'x'.repeat(50));
  expect(large.length).toBeGreaterThan(108);
  stream.events.data(large);
  link.openFully(LIMIT);
  expect([seen, ends]).toEqual([[9], []]);
});

test('a fault of the other end ends the channel once, with its code; it can still send until it is closed', () => {
  for (const [bytes, code] of [
    [Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]), 'FRAME_TOO_LARGE'],
    [Buffer.from([1, 0, 0, 0, 0, 0, 0, 0, 0x20]), 'PROTOCOL_ERROR'],
  ] as const) {
    const { stream, link, seen, ends, written } = open();
    stream.events.data(bytes);
    stream.events.data(beat(1));
    stream.events.closed({ orderly: false, message: 'reset' });
    expect(ends).toMatchObject([{ code }]);
    expect([seen, link.counts.errorCount, stream.calls]).toEqual([[], 1, ['pause']]);
    expect(written()).toEqual([]);
  }
  const { link, stream, ends, written } = open();
  link.fail(new SpearletError('PROTOCOL_ERROR', 'a fault'));
  link.fail(new SpearletError('PROTOCOL_ERROR', 'another'));
  link.queue.add(link.codec.error('CODE', 'why'));
  link.close();
  expect([ends, stream.calls]).toEqual([[{ code: 'PROTOCOL_ERROR', message: 'a fault' }], ['pause', 'pause', 'close']]);
  expect(written()).toMatchObject([{ type: 'Error', payload: '{"code":"CODE","message":"why"}' }]);
});

test('a fault that is found on release() ends the channel, too', () => {
  const { stream, link, ends } = open();
  link.pauseReading();
  stream.events.data(Buffer.alloc(8));
  expect(ends).toEqual([]);
  link.resumeReading();
  expect(ends).toMatchObject([{ code: 'PROTOCOL_ERROR', message: 'a frame of length 0' }]);
});

test('an orderly close between two frames is a lost link, one in the middle of a frame a protocol error', () => {
  const whole = open();
  whole.stream.events.data(beat(1));
  whole.stream.events.closed({ orderly: true, message: 'closed by the other end' });
  expect([whole.ends, whole.link.counts.errorCount]).toEqual([[{ code: 'LINK_LOST', message: 'closed by the other end' }], 0]);

  const torn = open();
  torn.stream.events.data(beat(1).subarray(0, 10));
  torn.stream.events.closed({ orderly: true, message: 'closed by the other end' });
  expect([torn.ends, torn.link.counts.errorCount]).toEqual([
    [{ code: 'PROTOCOL_ERROR', message: 'closed in the middle of a frame, after 10 bytes of it' }],
    1,
  ]);

  const reset = open();
  reset.stream.events.data(beat(1).subarray(0, 10));
  reset.stream.events.closed({ orderly: false, message: 'ECONNRESET' });
  expect(reset.ends).toEqual([{ code: 'LINK_LOST', message: 'ECONNRESET' }]);
});

test('finish() ends the stream once all frames are handed to it, and reads nothing any more', async () => {
  const { stream, link, seen, ends, drains } = open();
  stream.full = true;
  link.queue.add(link.codec.heartbeat(1, ''));
  await new Promise(setImmediate);
  link.queue.add(link.codec.heartbeat(2, ''));
  link.finish(() => {});
  stream.events.data(beat(2));
  expect([stream.writes.length, stream.calls, seen]).toEqual([1, [], []]);
  // What the stream has not sent yet goes before its end.
  stream.pending = 5;
  stream.events.drained();
  expect([stream.writes.length, stream.calls]).toEqual([2, ['end']]);
  stream.events.closed({ orderly: true, message: 'closed' });
  expect([ends, drains()]).toEqual([[], 1]);

  const idle = open();
  idle.link.finish(() => {});
  expect(idle.stream.calls).toEqual(['end']);
});

test('end() reports its reason once', () => {
  const { stream, link, ends } = open();
  const reason = { code: 'LINK_LOST', message: 'enough' } as const;
  link.end(reason);
  link.end({ ...reason, message: 'again' });
  stream.events.closed({ orderly: true, message: 'closed' });
  expect(ends).toEqual([reason]);
});

test('a frame can be removed until its turn is over', () => {
  const { stream, link } = open();
  const sender = { written() {} };
  link.queue.add(link.codec.heartbeat(1, ''), sender);
  expect(link.queue.pending).toBeGreaterThan(0);
  expect([link.queue.remove(sender), link.queue.remove(sender), link.queue.pending]).toEqual(['unsent', 'no', 0]);
  link.close();
  expect([stream.writes, link.counts.messagesSent]).toEqual([[], 0]);
});

test('finish() does not wait for messages that only a resumed session could send', () => {
  const { stream, link } = open();
  const later = { ...createV1(handClock()).host, resume: () => Buffer.from('resume') };
  link.use(later);
  link.adopt(new Continuity());
  link.queue.add(link.codec.heartbeat(1, ''));
  link.finish(() => {});
  expect([stream.calls, String(stream.writes.at(-1)![0])]).toEqual([['end'], 'resume']);
});

/** Every byte is a message, and '!' is a fault. */
const countingCodec = (acknowledged: number[]) => ({
  ...createV1(handClock()).host,
  resume: () => Buffer.from('resume'),
  acknowledge(count: number) {
    acknowledged.push(count);
    return Buffer.from(`has ${count}`);
  },
  createDecoder: () => ({
    frames: 0,
    counted: 0,
    unfinished: 0,
    limit: 0,
    push(chunk: Buffer) {
      for (const byte of chunk) {
        if (byte === 0x21) throw new SpearletError('PROTOCOL_ERROR', 'a fault');
        this.counted += 1;
      }
    },
    pause() {},
    resume() {},
    rest: () => [],
  }),
});

test('what has arrived in the same chunk before a fault is not sent again on the next connection', () => {
  const { stream, link, ends } = open();
  const continuity = new Continuity();
  link.use(countingCodec([]) as never);
  stream.events.data(Buffer.alloc(0));
  link.adopt(continuity);
  link.resume(0);
  stream.events.data(Buffer.from('ab!c'));
  expect(ends).toEqual([{ code: 'PROTOCOL_ERROR', message: 'a fault' }]);
  expect(continuity.begin()).toBe(2);
});

test('what is written takes along what has arrived, once', () => {
  const { stream, link } = open();
  const acknowledged: number[] = [];
  const counting = countingCodec(acknowledged);
  link.use(counting as never);
  stream.events.data(Buffer.alloc(0));
  link.adopt(new Continuity());
  link.resume(0);
  stream.events.data(Buffer.from('abc'));
  expect(acknowledged).toEqual([]);
  link.queue.addUrgent(Buffer.from('urgent'));
  link.queue.addUrgent(Buffer.from('urgent'));
  link.close();
  expect([acknowledged, Buffer.concat(stream.writes.flat()).toString()]).toEqual([[3], 'resumeurgenturgenthas 3']);
});

test('an Error goes by the connection that it is about, also before the session is resumed, and never by the next one', async () => {
  const later = { ...createV1(handClock()).host, resume: () => Buffer.from('resume'), error: (code: string) => Buffer.from(code) };
  const continuity = new Continuity();
  const connect = () => {
    const opened = open();
    opened.link.use(later);
    opened.link.adopt(continuity);
    return opened;
  };
  const isError = (frame: Buffer): boolean => frame.includes('PROTOCOL_ERROR');
  const first = connect();
  first.link.sendError('PROTOCOL_ERROR', 'no resume');
  first.link.close();
  // Behind what was sent before in another version.
  expect(first.stream.writes.flat().map(frame => String(frame).slice(-14))).toEqual(['resume', 'PROTOCOL_ERROR']);
  const second = connect();
  second.link.resume(0);
  await new Promise(setImmediate);
  second.link.close();
  expect(second.stream.writes.flat().filter(isError)).toEqual([]);
});
