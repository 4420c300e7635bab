// Frames on their way out: in order, one write a turn, held back while the system is full. It knows no message.
import type { Wire } from '../transport/wire.ts';

/** Whoever wants to know the moment his frame is handed to the wire. */
export interface Sender {
  written(): void;
}

export interface Outbox {
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

/** `sent` is told what was handed to the wire: how many frames, and their bytes. */
export function createOutbox(wire: Wire, sent: (frames: number, bytes: number) => void): Outbox {
  let frames: Buffer[] = [];
  let senders: (Sender | null)[] = [];
  let bytes = 0;
  let scheduled = false;
  let blocked = false;
  let closed = false;

  const flush = (): void => {
    scheduled = false;
    if (closed || blocked || frames.length === 0) return;
    const [written, told] = [frames, senders];
    sent(written.length, bytes);
    frames = [];
    senders = [];
    bytes = 0;
    blocked = !wire.write(written);
    for (const sender of told) sender?.written();
  };

  return {
    get pending() {
      return bytes + wire.pending;
    },
    add(frame, sender) {
      if (closed) return;
      frames.push(frame);
      senders.push(sender);
      bytes += frame.length;
      if (scheduled || blocked) return;
      scheduled = true;
      // It runs after this turn's promise jobs: what they send still goes into the same write.
      process.nextTick(flush);
    },
    remove(sender) {
      const index = senders.indexOf(sender);
      if (index === -1) return false;
      bytes -= frames[index]!.length;
      frames.splice(index, 1);
      senders.splice(index, 1);
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
