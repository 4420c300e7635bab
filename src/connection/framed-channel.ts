// A byte stream that carries messages: bytes in, messages out, frames bounded, writes ordered. Both sides use it. It knows
// nothing of sessions, and its codec hands each message to the receiver.
import { reasonOf, SpearletError } from '../errors.ts';
import type { Codec, Decoder } from '../protocol/codec.ts';
import type { ByteStream } from '../transport/stream.ts';
import type { Clock } from '../world/clock.ts';
import type { ChannelCounts, ChannelEnd, ChannelEvents, FramedChannel } from './channel.ts';
import type { Continuity } from './continuity.ts';
import { Outgoing } from './outgoing.ts';
import type { SendQueue } from './send-queue.ts';

/** Messages and bytes after which the other end is told what has arrived, where nothing else is written. */
const ACKNOWLEDGE = { messages: 512, bytes: 256 * 1024 };

/** A class, because V8 is slow with object literals that have getters. */
class StreamChannel<Receiver, C extends Codec<Receiver>> implements FramedChannel<Receiver, C> {
  readonly peer: string;
  readonly #stream: ByteStream;
  readonly #clock: Clock;
  readonly #connectedAt: number;
  #heardAt: number;
  #lastActivity: number;
  #bytesReceived = 0;
  #errorCount = 0;
  paused = false;
  over = false;
  #finishing: (() => void) | null = null;
  #events: ChannelEvents | null = null;
  codec: C;
  #decoder: Decoder<Receiver>;
  /** Messages that were read by earlier codecs. */
  #earlierMessages = 0;
  #isReading = false;
  /** A codec that takes over behind the message that is being handled. */
  #next: C | null = null;
  readonly #outgoing: Outgoing;
  queue: SendQueue;
  #continuity: Continuity | null = null;
  /** Bytes that have arrived since the other end was told. */
  #unacknowledgedBytes = 0;

  constructor(stream: ByteStream, clock: Clock, codec: C, maxFrameBytes: number) {
    this.#stream = stream;
    this.peer = stream.peer;
    this.#clock = clock;
    this.#connectedAt = clock.now();
    this.#heardAt = this.#connectedAt;
    this.#lastActivity = this.#connectedAt;
    this.codec = codec;
    this.#decoder = this.#createDecoder(codec, maxFrameBytes, null as never);
    this.#outgoing = new Outgoing(stream);
    this.queue = this.#outgoing.first;
  }

  get counts(): ChannelCounts {
    return {
      connectedAt: this.#connectedAt,
      lastActivity: this.#lastActivity,
      messagesSent: this.#outgoing.messages,
      messagesReceived: this.#earlierMessages + this.#decoder.frames,
      bytesSent: this.#outgoing.bytes,
      bytesReceived: this.#bytesReceived,
      errorCount: this.#errorCount,
    };
  }
  get heardAt(): number {
    return this.paused ? this.#clock.now() : this.#heardAt;
  }

  open(receiver: Receiver, events: ChannelEvents): void {
    const isFirst = this.#events === null;
    this.#events = events;
    this.#decoder.receiver = receiver;
    if (!isFirst) return;
    this.#stream.open({
      data: chunk => this.#read(chunk),
      drained: () => {
        this.#outgoing.drained();
        if (this.#finishing !== null && this.#outgoing.isDone) this.#stream.end();
        this.#events?.drained?.();
      },
      closed: ({ orderly, message, isViolation }) => {
        this.#outgoing.release();
        this.#finishing?.();
        if (isViolation) return this.fail(message);
        const { unfinished } = this.#decoder;
        if (!orderly || unfinished === 0) return this.end({ code: 'LINK_LOST', message });
        this.#errorCount += 1;
        this.end({ code: 'PROTOCOL_ERROR', message: `closed in the middle of a frame, after ${unfinished} bytes of it` });
      },
    });
  }

  deliverTo(receiver: Receiver): void {
    this.#decoder.receiver = receiver;
  }

  use(codec: C): void {
    if (this.#decoder.unfinished > 0) throw new SpearletError('PROTOCOL_ERROR', 'another version cannot begin in the midst of a frame');
    this.codec = codec;
    this.#next = codec;
    this.#decoder.pause();
  }

  adopt(continuity: Continuity): void {
    this.#continuity = continuity;
    continuity.queue.beforeWrite = () => this.#acknowledge(1);
    this.#outgoing.adopt(continuity, this.codec.resume(continuity.begin()));
    this.queue = continuity.queue;
  }

  resume(received: number): void {
    this.#outgoing.resume(received);
  }

  openFully(maxFrameBytes: number): void {
    this.#decoder.limit = maxFrameBytes;
    this.resumeReading();
  }

  countError(): void {
    this.#errorCount += 1;
  }

  pauseReading(): void {
    if (this.paused) return;
    this.paused = true;
    this.#decoder.pause();
    this.#stream.pause();
    this.#events?.readingPaused?.(true);
  }

  resumeReading(): void {
    if (!this.paused) return;
    this.paused = false;
    this.#heardAt = this.#clock.now();
    this.#stream.resume();
    this.#events?.readingPaused?.(false);
    if (this.over) return;
    try {
      if (this.#next === null) this.#decoder.resume();
      else if (!this.#isReading) this.#takeOver();
      this.#acknowledge(ACKNOWLEDGE.messages);
    } catch (thrown) {
      this.fail(thrown);
    }
  }

  sendError(code: string, message: string): void {
    this.#outgoing.addLast(this.codec.error(code, message));
  }

  end(reason: ChannelEnd): void {
    if (this.over) return;
    this.#stopReading();
    this.#events?.ended(reason);
  }

  fail(thrown: unknown): void {
    this.#errorCount += 1;
    this.#stream.pause();
    const code = thrown instanceof SpearletError && thrown.code === 'FRAME_TOO_LARGE' ? 'FRAME_TOO_LARGE' : 'PROTOCOL_ERROR';
    this.end({ code, message: reasonOf(thrown) });
  }

  finish(closed: () => void): void {
    this.#stopReading();
    this.#finishing = closed;
    this.#outgoing.flush();
    if (this.#outgoing.isDone) this.#stream.end();
  }

  close(): void {
    this.#stopReading();
    this.#outgoing.flush();
    this.#outgoing.release();
    this.#stream.close();
  }

  #read(chunk: Buffer): void {
    if (this.over) return;
    this.#heardAt = this.#clock.now();
    this.#lastActivity = this.#heardAt;
    this.#bytesReceived += chunk.length;
    this.#unacknowledgedBytes += chunk.length;
    this.#isReading = true;
    try {
      this.#decoder.push(chunk);
      this.#isReading = false;
      this.#takeOver();
      this.#acknowledge(this.#unacknowledgedBytes >= ACKNOWLEDGE.bytes ? 1 : ACKNOWLEDGE.messages);
    } catch (thrown) {
      this.#isReading = false;
      this.fail(thrown);
    }
  }

  #takeOver(): void {
    while (this.#next !== null && !this.over) {
      const rest = this.#decoder.rest();
      this.#earlierMessages += this.#decoder.frames;
      this.#decoder = this.#createDecoder(this.#next, this.#decoder.limit, this.#decoder.receiver);
      this.#next = null;
      if (this.paused) this.#decoder.pause();
      for (const chunk of rest) this.#decoder.push(chunk);
    }
  }

  #createDecoder(codec: C, maxFrameBytes: number, receiver: Receiver): Decoder<Receiver> {
    return codec.createDecoder(maxFrameBytes, receiver, count => this.#continuity?.queue.acknowledge(count));
  }

  /** Tells the other end what has arrived, if it does not know of this many messages. */
  #acknowledge(least: number): void {
    if (this.#continuity === null) return;
    this.#continuity.arrived(this.#decoder.counted);
    const due = this.#continuity.due(least);
    if (due === null) return;
    this.#unacknowledgedBytes = 0;
    this.queue.addUrgent(this.codec.acknowledge(due));
  }

  #stopReading(): void {
    if (this.over) return;
    this.over = true;
    this.#decoder.pause();
    this.#continuity?.arrived(this.#decoder.counted);
  }
}

export const createFramedChannel = <Receiver, C extends Codec<Receiver>>(
  stream: ByteStream,
  clock: Clock,
  codec: C,
  maxFrameBytes: number,
): FramedChannel<Receiver, C> => new StreamChannel<Receiver, C>(stream, clock, codec, maxFrameBytes);
