// One end of a stream in memory: the events and the end of a byte stream over two pipes, as node:net has them. It knows no
// address and no listener.
import type { Clock } from '../world/clock.ts';
import type { Pipe, Receiver, Sender } from './memory-pipe.ts';
import type { ByteStream, ByteStreamEvents } from './stream.ts';

const RESET = 'read ECONNRESET';
const ENDED = 'closed by the other end';

export class MemoryStream implements ByteStream, Sender, Receiver {
  readonly peer: string;
  readonly #clock: Clock;
  #outgoing!: Pipe;
  #incoming!: Pipe;
  #events: ByteStreamEvents | null = null;
  #isPaused = false;
  /** Nothing more is written. */
  #isEnding = false;
  /** The other end has ended the stream. */
  #isEnded = false;
  /** It has drained before it was open. */
  #owesDrained = false;
  #end: { orderly: boolean; message: string } | null = null;

  constructor(clock: Clock, peer: string) {
    this.#clock = clock;
    this.peer = peer;
  }

  /** Called once, before all else: a pipe has to know both of its ends. */
  attach(outgoing: Pipe, incoming: Pipe): void {
    this.#outgoing = outgoing;
    this.#incoming = incoming;
  }

  /** It has ended: it emits nothing any more except `closed`. */
  get isOver(): boolean {
    return this.#end !== null;
  }

  get pending(): number {
    return this.#end === null ? this.#outgoing.pending : 0;
  }

  open(events: ByteStreamEvents): void {
    this.#events = events;
    if (this.#end !== null) this.#reportClosed();
    else if (this.#owesDrained) this.#clock.setTimeout(() => this.#end ?? events.drained(), 0);
    this.#incoming.wake();
  }

  write(frames: readonly Buffer[]): boolean {
    return !this.#isEnding && this.#end === null && this.#outgoing.write(frames);
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#incoming.wake();
  }

  end(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#outgoing.finish();
  }

  close(): void {
    this.conclude(this.#isEnded, this.#isEnded ? ENDED : 'closed');
  }

  /** Ends the stream now. `closed` is called in a later turn. */
  conclude(orderly: boolean, message: string): void {
    if (this.#end !== null) return;
    this.#end = { orderly, message };
    if (this.#events !== null) this.#reportClosed();
    this.#outgoing.abandon();
    this.#incoming.shut();
  }

  get reading(): boolean {
    return this.#events !== null && !this.#isPaused;
  }

  received(chunk: Buffer): void {
    this.#events!.data(chunk);
  }

  ended(): void {
    // Half-open streams are not allowed: this end closes, too, after what it has written.
    this.#isEnded = true;
    this.#isEnding = true;
    if (this.#outgoing.pending === 0) this.conclude(true, ENDED);
    else this.#outgoing.finish();
  }

  reset(): void {
    this.conclude(false, RESET);
  }

  missed(): void {
    this.#outgoing.refuse();
  }

  taken(): void {
    if (this.#isEnded) this.conclude(true, ENDED);
    else if (this.#isEnding || this.#end !== null) return;
    else if (this.#events === null) this.#owesDrained = true;
    else this.#events.drained();
  }

  #reportClosed(): void {
    this.#clock.setTimeout(() => this.#events!.closed(this.#end!), 0);
  }
}
