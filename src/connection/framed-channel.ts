// A byte stream that carries messages: bytes in, messages out, frames bounded, writes ordered. Both sides use it. It knows
// nothing of sessions, and its codec hands each message to the receiver.
import { reasonOf, SpearletError } from '../errors.ts';
import type { Codec } from '../protocol/codec.ts';
import type { ByteStream } from '../transport/stream.ts';
import type { Clock } from '../world/clock.ts';
import type { ChannelEnd, ChannelEvents, FramedChannel } from './channel.ts';
import { createSendQueue } from './send-queue.ts';

export function createFramedChannel<Receiver, C extends Codec<Receiver>>(
  stream: ByteStream,
  clock: Clock,
  first: C,
  maxFrameBytes: number,
): FramedChannel<Receiver, C> {
  const connectedAt = clock.now();
  let heardAt = connectedAt;
  let lastActivity = connectedAt;
  let bytesReceived = 0;
  let messagesSent = 0;
  let bytesSent = 0;
  let errorCount = 0;
  // Counted when it is written: a frame may be taken back before.
  const queue = createSendQueue(stream, (messages, bytes) => {
    messagesSent += messages;
    bytesSent += bytes;
  });
  let paused = false;
  let over = false;
  let finishing: (() => void) | null = null;
  let events: ChannelEvents | null = null;
  let codec = first;
  let decoder = codec.createDecoder(maxFrameBytes, null as never);
  /** Messages that were read by earlier codecs. */
  let earlierMessages = 0;
  let reading = false;
  /** A codec that takes over behind the message that is being handled. */
  let next: C | null = null;

  const stopReading = (): void => {
    over = true;
    decoder.pause();
  };
  const end = (reason: ChannelEnd): void => {
    if (over) return;
    stopReading();
    events?.ended(reason);
  };
  const fail = (thrown: unknown): void => {
    errorCount += 1;
    stream.pause();
    const code = thrown instanceof SpearletError && thrown.code === 'FRAME_TOO_LARGE' ? 'FRAME_TOO_LARGE' : 'PROTOCOL_ERROR';
    end({ code, message: reasonOf(thrown) });
  };
  const takeOver = (): void => {
    while (next !== null && !over) {
      const rest = decoder.rest();
      earlierMessages += decoder.frames;
      decoder = next.createDecoder(decoder.limit, decoder.receiver);
      next = null;
      if (paused) decoder.pause();
      for (const chunk of rest) decoder.push(chunk);
    }
  };
  const guarded = (read: () => void): void => {
    try {
      read();
    } catch (thrown) {
      fail(thrown);
    }
  };

  return {
    peer: stream.peer,
    get codec() {
      return codec;
    },
    get counts() {
      const messagesReceived = earlierMessages + decoder.frames;
      return { connectedAt, lastActivity, messagesSent, messagesReceived, bytesSent, bytesReceived, errorCount };
    },
    get heardAt() {
      return paused ? clock.now() : heardAt;
    },
    get pending() {
      return queue.pending;
    },
    get paused() {
      return paused;
    },
    get over() {
      return over;
    },
    open(receiver, opened) {
      const isFirst = events === null;
      events = opened;
      decoder.receiver = receiver;
      if (!isFirst) return;
      stream.open({
        data(chunk) {
          if (over) return;
          heardAt = clock.now();
          lastActivity = heardAt;
          bytesReceived += chunk.length;
          reading = true;
          try {
            decoder.push(chunk);
            reading = false;
            takeOver();
          } catch (thrown) {
            reading = false;
            fail(thrown);
          }
        },
        drained() {
          queue.drained();
          if (finishing !== null && queue.pending === 0) stream.end();
          events?.drained?.();
        },
        closed({ orderly, message }) {
          queue.close();
          finishing?.();
          if (orderly && decoder.unfinished > 0) {
            errorCount += 1;
            end({ code: 'PROTOCOL_ERROR', message: `closed in the middle of a frame, after ${decoder.unfinished} bytes of it` });
          } else end({ code: 'LINK_LOST', message });
        },
      });
    },
    deliverTo(receiver) {
      decoder.receiver = receiver;
    },
    send(message, sender) {
      queue.add(message, sender ?? null);
    },
    sendUrgent: frame => queue.addUrgent(frame),
    remove: sender => queue.remove(sender),
    use(other) {
      if (decoder.unfinished > 0) throw new SpearletError('PROTOCOL_ERROR', 'another version cannot begin in the midst of a frame');
      codec = other;
      next = other;
      decoder.pause();
    },
    admit(limit) {
      decoder.limit = limit;
      this.release();
    },
    countError() {
      errorCount += 1;
    },
    hold() {
      if (paused) return;
      paused = true;
      decoder.pause();
      stream.pause();
      events?.held?.(true);
    },
    release() {
      if (!paused) return;
      paused = false;
      heardAt = clock.now();
      stream.resume();
      events?.held?.(false);
      guarded(() => {
        if (over) return;
        if (next === null) decoder.resume();
        else if (!reading) takeOver();
      });
    },
    end,
    fail,
    finish(closed) {
      stopReading();
      finishing = closed;
      queue.flush();
      if (queue.pending === 0) stream.end();
    },
    close() {
      stopReading();
      queue.flush();
      queue.close();
      stream.close();
    },
  };
}
