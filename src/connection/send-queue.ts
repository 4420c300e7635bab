// Messages on their way out: in order, one write a turn, held back while the system is full. Control messages go first, and
// large bodies go in pieces between the others. It knows no message.
import { Pieces } from '../protocol/pieces.ts';
import type { ByteStream } from '../transport/stream.ts';

/** Told when the last byte of its message is handed to the stream. */
export interface Sender {
  written(): void;
  /** Where its message stands in the queue; kept by the queue. */
  queuedAt?: number;
}

export interface SendQueue {
  /** Bytes waiting here or in the stream. */
  readonly pending: number;
  add(message: Buffer | Pieces, sender: Sender | null): void;
  /** Before everything that waits. */
  addUrgent(frame: Buffer): void;
  /** Takes a message back that was not written whole. `partly`: the other end has the beginning of it. `no`: it is written. */
  remove(sender: Sender): 'unsent' | 'partly' | 'no';
  /** Writes the messages that wait, now. */
  flush(): void;
  /** The stream is free again. */
  drained(): void;
  close(): void;
}

const NOTHING = Buffer.alloc(0);
/** The slots of frames that were taken back are closed up beyond this number, if they are the half. */
const COMPACT = 1_024;
/** Bytes of a large body in one frame: of the one with the fewest bytes left, and of each of the others. */
const FIRST_PIECE = 512 * 1024;
const PIECE = 64 * 1024;
/** Large bodies that are on the way at once: the other end keeps their pieces. */
const MAX_LARGE = 4;

interface Large {
  readonly pieces: Pieces;
  readonly sender: Sender | null;
}

/** `sent` is told what was handed to the stream: how many messages, and their bytes. */
export function createSendQueue(stream: ByteStream, sent: (messages: number, bytes: number) => void): SendQueue {
  let urgent: Buffer[] = [];
  let frames: Buffer[] = [];
  let senders: (Sender | null)[] = [];
  /** Those at the front are on the way. */
  let large: Large[] = [];
  let bytes = 0;
  let removed = 0;
  let scheduled = false;
  let blocked = false;
  let closed = false;

  const write = (written: readonly Buffer[], messages: number): void => {
    let total = 0;
    for (const frame of written) total += frame.length;
    sent(messages, total);
    blocked = !stream.write(written);
  };

  /** All that is small, and one piece of each large body that is on the way. Returns the senders of what is written whole. */
  const writeRound = (): readonly (Sender | null)[] => {
    const small = removed === 0 ? frames : frames.filter(frame => frame !== NOTHING);
    const told = senders;
    let written = urgent.length === 0 ? small : [...urgent, ...small];
    let messages = written.length;
    frames = [];
    senders = [];
    urgent = [];
    removed = 0;
    for (const frame of written) bytes -= frame.length;
    if (large.length > 0) {
      written = [...written];
      const underway = large.slice(0, MAX_LARGE);
      // Equal shares would end all of them at the same time, the latest possible for each; and each would wait for all of them.
      const first = underway.reduce((least, each) => (each.pieces.left < least.pieces.left ? each : least));
      for (const each of underway) {
        const [header, piece] = each.pieces.take(each === first ? FIRST_PIECE : PIECE);
        bytes -= piece.length;
        written.push(header, piece);
        if (each.pieces.left > 0) continue;
        messages += 1;
        large = large.filter(other => other !== each);
        told.push(each.sender);
      }
    }
    if (written.length > 0) write(written, messages);
    return told;
  };

  const flush = (): void => {
    scheduled = false;
    while (!closed && !blocked && (frames.length > 0 || urgent.length > 0 || large.length > 0))
      for (const sender of writeRound()) sender?.written();
  };

  const schedule = (): void => {
    if (scheduled || blocked) return;
    scheduled = true;
    // It runs after this turn's promise jobs: what they send still goes into the same write.
    process.nextTick(flush);
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
      return bytes + stream.pending;
    },
    add(message, sender) {
      if (closed) return;
      bytes += message.length;
      if (message instanceof Pieces) large.push({ pieces: message, sender });
      else {
        if (sender !== null) sender.queuedAt = frames.length;
        frames.push(message);
        senders.push(sender);
      }
      schedule();
    },
    addUrgent(frame) {
      if (closed) return;
      bytes += frame.length;
      urgent.push(frame);
      schedule();
    },
    remove(sender) {
      const { queuedAt = -1 } = sender;
      if (senders[queuedAt] === sender) {
        bytes -= frames[queuedAt]!.length;
        // Its slot stays: those behind it know theirs.
        frames[queuedAt] = NOTHING;
        senders[queuedAt] = null;
        removed += 1;
        if (removed > COMPACT && removed > frames.length / 2) compact();
        return 'unsent';
      }
      const taken = large.find(each => each.sender === sender);
      if (taken === undefined) return 'no';
      large = large.filter(each => each !== taken);
      bytes -= taken.pieces.left;
      return taken.pieces.isBegun ? 'partly' : 'unsent';
    },
    flush,
    drained() {
      blocked = false;
      flush();
    },
    close() {
      closed = true;
      urgent = [];
      frames = [];
      senders = [];
      large = [];
      bytes = 0;
    },
  };
}
