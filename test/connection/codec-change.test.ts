// A connection goes on with another codec between two frames, however its bytes are cut.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { HostChannel } from '../../src/connection/channel.ts';
import { createFramedChannel } from '../../src/connection/framed-channel.ts';
import type { Decoder, HostCodec, HostReceiver } from '../../src/protocol/codec.ts';
import { createV1 } from '../../src/protocol/v1/codec.ts';
import { encodeFrame } from '../../src/protocol/v1/messages.ts';
import type { ByteStream, ByteStreamEvents } from '../../src/transport/stream.ts';
import type { Clock } from '../../src/world/clock.ts';

const clock = { now: () => 0, wall: () => 0 } as Clock;
const v1 = createV1(clock).host;

/** A version in which a frame is one byte: the request id of a heartbeat. */
const tiny: HostCodec = {
  ...v1,
  version: 9,
  createDecoder(maxFrameBytes, receiver) {
    let paused = false;
    let kept: Buffer[] = [];
    const decoder: Decoder<HostReceiver> = {
      receiver,
      limit: maxFrameBytes,
      frames: 0,
      counted: 0,
      unfinished: 0,
      push(chunk) {
        for (let at = 0; at < chunk.length; at += 1) {
          if (paused) return void kept.push(chunk.subarray(at));
          decoder.receiver.heartbeat(chunk[at]!, Buffer.alloc(0));
        }
      },
      pause() {
        paused = true;
      },
      resume() {
        paused = false;
        for (const chunk of decoder.rest()) decoder.push(chunk);
      },
      rest() {
        const rest = kept;
        kept = [];
        return rest;
      },
    };
    return decoder;
  },
  heartbeat: requestId => Buffer.from([Number(requestId)]),
};

const receiver = (heartbeat: HostReceiver['heartbeat']): HostReceiver => ({
  heartbeat,
  authRequest() {},
  executeResponse() {},
  resume() {},
  other() {},
});
const beat = (id: number): Buffer => encodeFrame('Heartbeat', id, { secs: 0, nanos: 0 }, '');

function open() {
  let events: ByteStreamEvents | undefined;
  const writes: Buffer[] = [];
  const wire: ByteStream = {
    peer: 'a test',
    pending: 0,
    open(opened) {
      events = opened;
    },
    write: frames => writes.push(...frames) > 0,
    pause() {},
    resume() {},
    end() {},
    close() {},
  };
  const channel: HostChannel = createFramedChannel(wire, clock, v1, 1_000);
  return { channel, writes, data: (chunk: Buffer) => events!.data(chunk) };
}

test.each(['at once', 'while it is held back, and read on later'])('%s: what comes behind the message is read by the new codec', how => {
  // 1 and 2 in v1, then 3, 4 and 5 in the other; the change is at 2.
  const bytes = Buffer.concat([beat(1), beat(2), Buffer.from([3, 4, 5])]);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: bytes.length - 1 }), { maxLength: 6 }), cuts => {
      const { channel, data } = open();
      const seen: unknown[] = [];
      channel.open(
        receiver(requestId => {
          seen.push(requestId);
          if (requestId !== 2) return;
          if (how !== 'at once') channel.pauseReading();
          channel.use(tiny);
          if (how !== 'at once') channel.openFully(500);
        }),
        { ended: end => expect.fail(end.message) },
      );
      const at = [0, ...cuts.sort((a, b) => a - b), bytes.length];
      for (let n = 1; n < at.length; n += 1) data(bytes.subarray(at[n - 1], at[n]));
      expect(seen).toEqual([1, 2, 3, 4, 5]);
    }),
  );
});

test('what is sent from then on is written by it, and what was sent before by the old one', async () => {
  const { channel, writes } = open();
  channel.open(
    receiver(() => {}),
    { ended() {} },
  );
  channel.queue.add(channel.codec.heartbeat(7, ''));
  channel.use(tiny);
  channel.queue.add(channel.codec.heartbeat(8, ''));
  await new Promise(resolve => setImmediate(resolve));
  expect(writes).toEqual([beat(7), Buffer.from([8])]);
});

test('in the midst of a frame no other version can begin', () => {
  const { channel, data } = open();
  channel.open(
    receiver(() => {}),
    { ended() {} },
  );
  data(beat(1).subarray(0, 20));
  expect(() => channel.use(tiny)).toThrow(expect.objectContaining({ code: 'PROTOCOL_ERROR' }));
});
