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
  data(chunk: Buffer): void;
  /** The sender has ended the stream after its last byte. */
  ended(): void;
  /** The sender is closed and does not know these bytes. */
  reset(): void;
  /** Bytes have arrived after `shut`: the sender has to be told. */
  missed(): void;
}

export interface Sender {
  /** All written bytes are under way or have arrived, after `write` returned false or after `finish`. */
  taken(): void;
}

export interface Pipe {
  /** Written bytes that are not under way yet, since the window is full or nothing is connected. */
  readonly pending: number;
  /** False: more is written than the window holds; `taken` follows. */
  write(frames: readonly Buffer[]): boolean;
  /** Begins to carry. */
  start(): void;
  /** The receiver may have begun to read. */
  wake(): void;
  /** Nothing is written any more: the receiver is told of the end behind the last byte. */
  finish(): void;
  /** As `finish`, and `pending` bytes are lost. */
  abandon(): void;
  /** Tells the receiver of a reset, behind what is under way. */
  refuse(): void;
  /** The receiver is closed: the next arrival is `missed`, and ends the pipe. */
  shut(): void;
  /** After so many bytes since the start nothing arrives any more, neither bytes nor an end. Infinity: it heals. */
  silence(after: number): void;
  /** Once so many bytes have arrived since the start, `cut` is called. */
  cutAt(after: number): void;
}

/** The largest segment, in bytes: what Node reads at once. */
const MAX_SEGMENT = 64 * 1024;
/** Frames that have been carried leave the queue beyond so many. */
const COMPACT = 256;

export const drawDelay = ({ random, maxDelay }: Conditions): number => random.fraction() * maxDelay;

/** From 1/1,024 of the largest on, and small ones often: short messages have to meet a full window, too. */
const drawWindow = ({ random, maxWindow }: Conditions): number => Math.ceil(maxWindow * Math.max(random.fraction() ** 3, 2 ** -10));

/** Every second segment is all that is there, so that writes are joined; the others end anywhere. */
function drawSize({ random }: Conditions, available: number): number {
  const drawn = random.fraction();
  return drawn < 0.5 ? available : 1 + Math.floor((drawn - 0.5) * 2 * available);
}

export function createPipe(conditions: Conditions, sender: Sender, receiver: Receiver, cut: () => void): Pipe {
  const { clock } = conditions;
  const window = drawWindow(conditions);
  let frames: Buffer[] = [];
  /** The frame that is carried next, and how much of it has arrived. */
  let head = 0;
  let offset = 0;
  /** Bytes that are written and have not arrived. */
  let queued = 0;
  let arrived = 0;
  let isStarted = false;
  let isShut = false;
  let end: 'open' | 'due' | 'told' = 'open';
  let isResetDue = false;
  let silentAfter = Number.POSITIVE_INFINITY;
  let cutAfter = Number.POSITIVE_INFINITY;
  let isScheduled = false;
  /** The sender waits for `taken`. */
  let isAwaited = false;
  let isTakenScheduled = false;

  const pending = (): number => (isStarted ? Math.max(0, queued - window) : queued);
  const carriable = (): number => Math.min(queued, window, MAX_SEGMENT, silentAfter - arrived, cutAfter - arrived);

  const isDue = (): boolean => {
    if (!isStarted || arrived >= silentAfter) return false;
    if (arrived >= cutAfter) return true;
    return queued > 0 ? isShut || receiver.reading : end === 'due' || isResetDue;
  };

  const tellTaken = (): void => {
    isTakenScheduled = false;
    if (!isAwaited || pending() > 0) return;
    isAwaited = false;
    sender.taken();
  };
  const checkTaken = (): void => {
    if (!isAwaited || isTakenScheduled || !isStarted || pending() > 0) return;
    isTakenScheduled = true;
    clock.setTimeout(tellTaken, drawDelay(conditions));
  };

  /** The next bytes, copied: a receiver may write into what it gets. */
  const take = (size: number): Buffer => {
    const segment = Buffer.allocUnsafe(size);
    for (let filled = 0; filled < size; ) {
      const frame = frames[head]!;
      const copied = frame.copy(segment, filled, offset, Math.min(frame.length, offset + size - filled));
      filled += copied;
      offset += copied;
      if (offset < frame.length) break;
      head += 1;
      offset = 0;
    }
    queued -= size;
    arrived += size;
    if (head === frames.length || head > COMPACT) {
      frames = frames.slice(head);
      head = 0;
    }
    return segment;
  };

  /** Carries one segment, or what follows the last one. Its own state is settled before a handler runs, which may throw. */
  const carry = (): void => {
    isScheduled = false;
    if (!isDue()) return;
    if (arrived >= cutAfter) {
      cutAfter = Number.POSITIVE_INFINITY;
      cut();
    } else if (queued > 0 && isShut) {
      // A closed end acknowledges nothing any more.
      silentAfter = 0;
      receiver.missed();
    } else if (queued > 0) {
      const segment = take(drawSize(conditions, carriable()));
      checkTaken();
      schedule();
      receiver.data(segment);
    } else if (end === 'due') {
      end = 'told';
      schedule();
      receiver.ended();
    } else {
      isResetDue = false;
      receiver.reset();
    }
  };
  const schedule = (): void => {
    if (isScheduled || !isDue()) return;
    isScheduled = true;
    clock.setTimeout(carry, drawDelay(conditions));
  };

  return {
    get pending() {
      return pending();
    },
    write(written) {
      for (const frame of written) {
        if (frame.length === 0) continue;
        frames.push(frame);
        queued += frame.length;
      }
      schedule();
      if (queued <= window) return true;
      isAwaited = true;
      return false;
    },
    start() {
      isStarted = true;
      checkTaken();
      schedule();
    },
    wake: schedule,
    finish() {
      if (end === 'open') end = 'due';
      isAwaited = true;
      checkTaken();
      schedule();
    },
    abandon() {
      queued -= pending();
      isAwaited = false;
      if (end === 'open') end = 'due';
      schedule();
    },
    refuse() {
      isResetDue = true;
      schedule();
    },
    shut() {
      isShut = true;
      schedule();
    },
    silence(after) {
      silentAfter = after;
      schedule();
    },
    cutAt(after) {
      cutAfter = after;
      schedule();
    },
  };
}
