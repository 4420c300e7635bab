// One direction of a stream in memory: an ordered queue of bytes between a sender and a receiver, with delays, splits and
// faults. It knows no connection, and nothing of what the bytes mean.
import type { Clock } from '../world/clock.ts';

/** How a simulated network behaves. Everything that is drawn comes from `random`, in the order of what happens. */
export interface Conditions {
  readonly clock: Clock;
  readonly random: { fraction(): number };
  /** The longest delay of a segment, in ms. */
  readonly maxDelay: number;
  /** The most bytes that are under way in one direction; each direction draws its own window up to this. */
  readonly maxWindow: number;
}

export interface Receiver {
  /** False: data waits. */
  readonly reading: boolean;
  received(chunk: Buffer): void;
  /** The sender has ended the stream after its last byte. */
  ended(): void;
  /** The sender is closed and does not know the bytes that it got. */
  reset(): void;
  /** Bytes have arrived after `shut`: the sender has to learn of it. */
  missed(): void;
}

export interface Sender {
  /** All written bytes are under way or have arrived, after `write` returned false or after `finish`. */
  taken(): void;
}

/** Carried frames are removed from the queue when there are more than this. */
const COMPACT = 256;

export const drawDelay = ({ random, maxDelay }: Conditions): number => random.fraction() * maxDelay;

/** At least 1/1,024 of the maximum, and often small, so that short messages also meet a full window. */
const drawWindow = ({ random, maxWindow }: Conditions): number => Math.ceil(maxWindow * Math.max(random.fraction() ** 3, 2 ** -10));

/** Every second segment is all that is there, so that writes are joined; the others end anywhere. */
function drawSize({ random }: Conditions, available: number): number {
  const drawn = random.fraction();
  return drawn < 0.5 ? available : 1 + Math.floor((drawn - 0.5) * 2 * available);
}

/** A class, and its ends as well: a simulation makes them by the hundred thousand. */
export class Pipe {
  readonly #conditions: Conditions;
  readonly #sender: Sender;
  readonly #receiver: Receiver;
  /** Resets the connection. */
  readonly #cut: () => void;
  readonly #window: number;
  #frames: Buffer[] = [];
  /** The frame that is carried next, and how much of it has arrived. */
  #head = 0;
  #offset = 0;
  /** Bytes that are written and have not arrived. */
  #queued = 0;
  #arrived = 0;
  #isStarted = false;
  #isShut = false;
  #end: 'open' | 'due' | 'reported' = 'open';
  #isResetDue = false;
  #silentAfter = Number.POSITIVE_INFINITY;
  #cutAfter = Number.POSITIVE_INFINITY;
  #isScheduled = false;
  /** The sender waits for `taken`. */
  #isAwaited = false;
  #isTakenScheduled = false;

  constructor(conditions: Conditions, sender: Sender, receiver: Receiver, cut: () => void) {
    this.#conditions = conditions;
    this.#sender = sender;
    this.#receiver = receiver;
    this.#cut = cut;
    this.#window = drawWindow(conditions);
  }

  /** Written bytes that are not under way yet, since the window is full or nothing is connected. */
  get pending(): number {
    return this.#isStarted ? Math.max(0, this.#queued - this.#window) : this.#queued;
  }

  /** False: more is written than the window holds; `taken` follows. */
  write(frames: readonly Buffer[]): boolean {
    for (const frame of frames) {
      if (frame.length === 0) continue;
      this.#frames.push(frame);
      this.#queued += frame.length;
    }
    this.wake();
    if (this.#queued <= this.#window) return true;
    this.#isAwaited = true;
    return false;
  }

  /** Begins to carry. */
  start(): void {
    this.#isStarted = true;
    this.#checkTaken();
    this.wake();
  }

  /** Schedules what is due; also called when the receiver begins to read. */
  wake(): void {
    if (this.#isScheduled || !this.#isDue()) return;
    this.#isScheduled = true;
    this.#conditions.clock.setTimeout(() => this.#carry(), drawDelay(this.#conditions));
  }

  /** Nothing is written any more: the receiver learns of the end after the last byte. */
  finish(): void {
    if (this.#end === 'open') this.#end = 'due';
    this.#isAwaited = true;
    this.#checkTaken();
    this.wake();
  }

  /** As `finish`, and `pending` bytes are lost. */
  abandon(): void {
    this.#queued -= this.pending;
    this.#isAwaited = false;
    if (this.#end === 'open') this.#end = 'due';
    this.wake();
  }

  /** Reports a reset to the receiver, after what is under way. */
  refuse(): void {
    this.#isResetDue = true;
    this.wake();
  }

  /** The receiver is closed: the next arrival is `missed`, and ends the pipe. */
  shut(): void {
    this.#isShut = true;
    this.wake();
  }

  /** When `after` bytes have arrived since the start, nothing arrives any more, neither bytes nor an end. Infinity: it heals. */
  silence(after: number): void {
    this.#silentAfter = after;
    this.wake();
  }

  /** Once `after` bytes have arrived since the start, the connection is reset. */
  cutAt(after: number): void {
    this.#cutAfter = after;
    this.wake();
  }

  #isDue(): boolean {
    if (!this.#isStarted || this.#arrived >= this.#silentAfter) return false;
    if (this.#arrived >= this.#cutAfter) return true;
    return this.#queued > 0 ? this.#isShut || this.#receiver.reading : this.#end === 'due' || this.#isResetDue;
  }

  #checkTaken(): void {
    if (!this.#isAwaited || this.#isTakenScheduled || !this.#isStarted || this.pending > 0) return;
    this.#isTakenScheduled = true;
    this.#conditions.clock.setTimeout(() => this.#reportTaken(), drawDelay(this.#conditions));
  }

  #reportTaken(): void {
    this.#isTakenScheduled = false;
    if (!this.#isAwaited || this.pending > 0) return;
    this.#isAwaited = false;
    this.#sender.taken();
  }

  /** Carries one segment, or what follows the last one. Its own state is settled before a handler runs, which may throw. */
  #carry(): void {
    this.#isScheduled = false;
    if (!this.#isDue()) return;
    if (this.#arrived >= this.#cutAfter) {
      this.#cutAfter = Number.POSITIVE_INFINITY;
      this.#cut();
    } else if (this.#queued > 0 && this.#isShut) {
      // A closed end acknowledges nothing any more.
      this.#silentAfter = 0;
      this.#receiver.missed();
    } else if (this.#queued > 0) {
      const most = Math.min(this.#queued, this.#window, this.#silentAfter - this.#arrived, this.#cutAfter - this.#arrived);
      const segment = this.#take(drawSize(this.#conditions, most));
      this.#checkTaken();
      this.wake();
      this.#receiver.received(segment);
    } else if (this.#end === 'due') {
      this.#end = 'reported';
      this.wake();
      this.#receiver.ended();
    } else {
      this.#isResetDue = false;
      this.#receiver.reset();
    }
  }

  /** The next bytes, copied: a receiver may write into what it gets. */
  #take(size: number): Buffer {
    const segment = Buffer.allocUnsafe(size);
    for (let filled = 0; filled < size; ) {
      const frame = this.#frames[this.#head]!;
      const copied = frame.copy(segment, filled, this.#offset, Math.min(frame.length, this.#offset + size - filled));
      filled += copied;
      this.#offset += copied;
      if (this.#offset < frame.length) break;
      this.#head += 1;
      this.#offset = 0;
    }
    this.#queued -= size;
    this.#arrived += size;
    if (this.#head === this.#frames.length || this.#head > COMPACT) {
      this.#frames = this.#frames.slice(this.#head);
      this.#head = 0;
    }
    return segment;
  }
}
