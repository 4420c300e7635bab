// A byte stream that carries messages: bytes in, messages out, frames bounded, writes ordered. Both sides use it. It knows
// nothing of sessions, and leaves the meaning of a message to its owner.
import { reasonOf, SpearletError } from '../errors.ts';
import type { Codec } from '../protocol/codec.ts';
import type { MessageType, SpearMessage, Timestamp, U64 } from '../protocol/message.ts';
import type { ByteStream } from '../transport/stream.ts';
import type { Clock } from '../world/clock.ts';
import { createSendQueue, type Sender } from './send-queue.ts';

export interface ChannelEnd {
  readonly code: 'LINK_LOST' | 'PROTOCOL_ERROR' | 'FRAME_TOO_LARGE';
  readonly message: string;
}

export interface ChannelEvents {
  /** Throws SpearletError PROTOCOL_ERROR for a message that cannot be understood: the link then ends. */
  message(message: SpearMessage): void;
  /** Called once, last. After a fault of the other end the link can still send until it is closed. */
  ended(end: ChannelEnd): void;
  /** Reading was paused or goes on. */
  held?(on: boolean): void;
  /** All that was sent has been taken by the system. */
  drained?(): void;
}

/** What has gone through a link, kept for its owner. Times in ms of the clock's `now`. */
export interface ChannelCounts {
  readonly connectedAt: number;
  lastActivity: number;
  messagesSent: number;
  messagesReceived: number;
  bytesSent: number;
  bytesReceived: number;
  errorCount: number;
}

export interface FramedChannel {
  readonly peer: string;
  readonly counts: ChannelCounts;
  /** When anything last arrived, or could not arrive because we did not read. */
  readonly heardAt: number;
  readonly pending: number;
  readonly paused: boolean;
  /** Tells what arrives from now on; a second call takes over from the first. */
  open(events: ChannelEvents): void;
  send(type: MessageType, requestId: U64, payload: string | Uint8Array, sender?: Sender): void;
  remove(sender: Sender): boolean;
  /**
   * Speaks another version from the next frame on, in both directions. Called while a message is handled, or between two: in the
   * midst of a frame it throws PROTOCOL_ERROR.
   */
  use(codec: Codec): void;
  /** Reads on, and accepts frames up to so many bytes. */
  admit(maxFrameBytes: number): void;
  /** Hands out no more messages until `release`, in the middle of a chunk too. */
  hold(): void;
  release(): void;
  /** Ends it for a reason of ours: `ended` is called. */
  end(reason: ChannelEnd): void;
  /** Ends it for a fault of the other end: `ended` is called, and last words can be sent until `close`. */
  fail(thrown: unknown): void;
  /** Ends the wire once all that was sent has gone out, and tells when it is closed. Nothing is read any more. */
  finish(closed: () => void): void;
  /** Writes what waits, as far as the system takes it at once, and ends the wire. */
  close(): void;
}

/** The wall clock as the wire wants it. */
function timestamp(clock: Clock): Timestamp {
  const wall = clock.wall();
  const secs = Math.floor(wall / 1000);
  return { secs, nanos: Math.floor((wall - secs * 1000) * 1e6) };
}

export function createFramedChannel(wire: ByteStream, clock: Clock, codec: Codec, maxFrameBytes: number): FramedChannel {
  const now = clock.now();
  const counts: ChannelCounts = {
    connectedAt: now,
    lastActivity: now,
    messagesSent: 0,
    messagesReceived: 0,
    bytesSent: 0,
    bytesReceived: 0,
    errorCount: 0,
  };
  // Counted when it is written: a frame may be taken back before.
  const queue = createSendQueue(wire, (frames, bytes) => {
    counts.messagesSent += frames;
    counts.bytesSent += bytes;
  });
  let heardAt = now;
  let paused = false;
  let over = false;
  let finishing: (() => void) | null = null;
  let events: ChannelEvents | null = null;

  const end = (reason: ChannelEnd): void => {
    if (over) return;
    over = true;
    events?.ended(reason);
  };
  const receive = (message: SpearMessage): void => {
    if (over) return;
    counts.messagesReceived += 1;
    events?.message(message);
  };
  let speaking = codec;
  let decoder = codec.createDecoder(maxFrameBytes, receive);
  let reading = false;
  /** A codec that takes over behind the message that is being handled. */
  let next: Codec | null = null;
  const takeOver = (): void => {
    while (next !== null) {
      const rest = decoder.rest();
      decoder = next.createDecoder(decoder.limit, receive);
      next = null;
      if (paused) decoder.pause();
      for (const chunk of rest) decoder.push(chunk);
    }
  };
  const fail = (thrown: unknown): void => {
    counts.errorCount += 1;
    wire.pause();
    const code = thrown instanceof SpearletError && thrown.code === 'FRAME_TOO_LARGE' ? 'FRAME_TOO_LARGE' : 'PROTOCOL_ERROR';
    end({ code, message: reasonOf(thrown) });
  };
  const guarded = (read: () => void): void => {
    try {
      read();
    } catch (thrown) {
      fail(thrown);
    }
  };

  return {
    peer: wire.peer,
    counts,
    get heardAt() {
      return paused ? clock.now() : heardAt;
    },
    get pending() {
      return queue.pending;
    },
    get paused() {
      return paused;
    },
    open(opened) {
      const first = events === null;
      events = opened;
      if (!first) return;
      wire.open({
        data(chunk) {
          if (over) return;
          heardAt = clock.now();
          counts.lastActivity = heardAt;
          counts.bytesReceived += chunk.length;
          guarded(() => {
            reading = true;
            decoder.push(chunk);
            reading = false;
            takeOver();
          });
        },
        drained() {
          queue.drained();
          if (finishing !== null && queue.pending === 0) wire.end();
          events?.drained?.();
        },
        closed({ orderly, message }) {
          queue.close();
          finishing?.();
          if (orderly && decoder.unfinished > 0) {
            counts.errorCount += 1;
            end({ code: 'PROTOCOL_ERROR', message: `closed in the middle of a frame, after ${decoder.unfinished} bytes of it` });
          } else end({ code: 'LINK_LOST', message });
        },
      });
    },
    send(type, requestId, payload, sender) {
      queue.add(speaking.encode(type, requestId, timestamp(clock), payload), sender ?? null);
    },
    remove: sender => queue.remove(sender),
    use(codec) {
      if (decoder.unfinished > 0) throw new SpearletError('PROTOCOL_ERROR', 'another version cannot begin in the midst of a frame');
      speaking = codec;
      next = codec;
      decoder.pause();
    },
    admit(limit) {
      decoder.limit = limit;
      this.release();
    },
    hold() {
      if (paused) return;
      paused = true;
      decoder.pause();
      wire.pause();
      events?.held?.(true);
    },
    release() {
      if (!paused) return;
      paused = false;
      heardAt = clock.now();
      wire.resume();
      events?.held?.(false);
      guarded(() => {
        if (next === null) decoder.resume();
        else if (!reading) takeOver();
      });
    },
    end,
    fail,
    finish(closed) {
      over = true;
      finishing = closed;
      queue.flush();
      if (queue.pending === 0) wire.end();
    },
    close() {
      over = true;
      queue.flush();
      queue.close();
      wire.close();
    },
  };
}
