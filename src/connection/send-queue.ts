// Frames on their way out: in order, one write a turn, held back while the system is full. It knows no message.
import type { ByteStream } from '../transport/stream.ts';

/** Told when its frame is handed to the wire. */
export interface Sender {
  written(): void;
  /** Where its last frame stands in the queue; kept by the queue. */
  queuedAt?: number;
}

export interface SendQueue {
  /** Bytes waiting here or in the wire. */
  readonly pending: number;
  add(frame: Buffer, sender: Sender | null): void;
  /** Takes a frame back that was not written yet; false: too late. */
  remove(sender: Sender): boolean;
  /** Writes what waits, now. */
  flush(): void;
  /** The wire is free again. */
  drained(): void;
  close(): void;
}

const NOTHING = Buffer.alloc(0);
/** The places of frames that were taken back are closed up beyond so many, if they are the half. */
const COMPACT = 1_024;

/** `sent` is told what was handed to the wire: how many frames, and their bytes. */
export function createSendQueue(wire: ByteStream, sent: (frames: number, bytes: number) => void): SendQueue {
  let frames: Buffer[] = [];
  let senders: (Sender | null)[] = [];
  let bytes = 0;
  let removed = 0;
  let scheduled = false;
  let blocked = false;
  let closed = false;

  const flush = (): void => {
    scheduled = false;
    if (closed || blocked || frames.length === 0) return;
    const [written, told] = [removed === 0 ? frames : frames.filter(frame => frame !== NOTHING), senders];
    frames = [];
    removed = 0;
    senders = [];
    const writtenBytes = bytes;
    bytes = 0;
    if (written.length === 0) return;
    sent(written.length, writtenBytes);
    blocked = !wire.write(written);
    for (const sender of told) sender?.written();
  };

  const compact = (): void => {
    const kept = senders.filter((_, index) => frames[index] !== NOTHING);
    frames = frames.filter(frame => frame !== NOTHING);
    senders = kept;
    removed = 0;
    for (const [index, sender] of senders.entries()) if (sender !== null) sender.queuedAt = index;
  };

  return {
    get pending() {
      return bytes + wire.pending;
    },
    add(frame, sender) {
      if (closed) return;
      if (sender !== null) sender.queuedAt = frames.length;
      frames.push(frame);
      senders.push(sender);
      bytes += frame.length;
      if (scheduled || blocked) return;
      scheduled = true;
      // It runs after this turn's promise jobs: what they send still goes into the same write.
      process.nextTick(flush);
    },
    remove(sender) {
      const { queuedAt = -1 } = sender;
      if (senders[queuedAt] !== sender) return false;
      bytes -= frames[queuedAt]!.length;
      // Its place stays: those behind it know theirs.
      frames[queuedAt] = NOTHING;
      senders[queuedAt] = null;
      removed += 1;
      if (removed > COMPACT && removed > frames.length / 2) compact();
      return true;
    },
    flush,
    drained() {
      blocked = false;
      flush();
    },
    close() {
      closed = true;
      frames = [];
      senders = [];
      bytes = 0;
    },
  };
}
