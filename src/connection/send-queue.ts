// Messages on their way out: in order, one write a turn, held back while the system is full. Control messages go first, and
// large bodies go in pieces between the others. A queue may outlive its stream: it keeps the messages that the other end has not
// acknowledged, and sends them again on the next stream. It knows no message.
import { MAX_UNFINISHED, Pieces } from '../protocol/pieces.ts';
import type { ByteStream } from '../transport/stream.ts';
import { type MessageOwner, Slots } from './slots.ts';
import { type Message, Unacknowledged } from './unacknowledged.ts';

/** Bytes of a large body in one frame: of the one with the fewest bytes left, and of each of the others. */
const FIRST_PIECE = 512 * 1024;
const PIECE = 64 * 1024;
/** Its jobs cost less than those of `queueMicrotask`, which makes an AsyncResource for each. */
const SETTLED = Promise.resolve();

interface Large {
  readonly pieces: Pieces;
  readonly sender: MessageOwner | null;
}

export class SendQueue {
  #stream: ByteStream | null = null;
  readonly #isCounted: ((frame: Buffer) => boolean) | null;
  #urgent: Buffer[] = [];
  readonly #small = new Slots();
  /** The first MAX_UNFINISHED of them are being sent. */
  #large: Large[] = [];
  /** Messages that are sent again on a new stream, before all others. */
  #again: Message[] = [];
  #bytes = 0;
  #isScheduled = false;
  #isBlocked = false;
  #isClosed = false;
  /** Messages that the other end may lack. */
  readonly #kept = new Unacknowledged();
  /** Messages and bytes that were handed to a stream. */
  messages = 0;
  sentBytes = 0;
  /** Called before messages are written: messages that it adds go into the same write. */
  beforeWrite: (() => void) | null = null;
  readonly #flush = (): void => this.flush();
  readonly #flushAfterJobs = (): void => process.nextTick(this.#flush);

  /**
   * `isCounted`: whether a frame counts, and is kept until it is acknowledged; pieces always count. Null: nothing is kept, and
   * the queue ends with its stream.
   */
  constructor(isCounted: ((frame: Buffer) => boolean) | null = null) {
    this.#isCounted = isCounted;
  }

  /** Bytes waiting here or in the stream. */
  get pending(): number {
    return this.#bytes + (this.#stream?.pending ?? 0);
  }

  get isEmpty(): boolean {
    return this.#bytes === 0;
  }

  /** Bytes that were handed to a stream and not acknowledged. */
  get unacknowledged(): number {
    return this.#kept.bytes;
  }

  /**
   * Writes to this stream from now on. `received`: how many counted messages the other end has. Throws PROTOCOL_ERROR for a number
   * that cannot be.
   */
  attach(stream: ByteStream, received = 0): void {
    this.detach();
    this.acknowledge(received);
    this.#bytes += this.#kept.bytes;
    this.#again = this.#kept.takeAll();
    this.#stream = stream;
    this.#isBlocked = false;
    this.#schedule();
  }

  isAttachedTo(stream: ByteStream): boolean {
    return this.#stream === stream;
  }

  /** The stream is gone. A message that was sent in part is sent again from its beginning. */
  detach(): void {
    this.#stream = null;
    for (const { pieces } of this.#large) {
      this.#bytes += pieces.length - pieces.left;
      pieces.restart();
    }
    // Messages that were about to be sent again are still not acknowledged.
    for (const message of this.#again) {
      this.#bytes -= message instanceof Pieces ? message.left : message.length;
      this.#kept.add(message);
    }
    this.#again = [];
    this.#urgent = this.#urgent.filter(frame => {
      if (this.#isCounted?.(frame)) return true;
      this.#bytes -= frame.length;
      return false;
    });
  }

  /** The other end has this many counted messages in all. Throws PROTOCOL_ERROR for a number that cannot be. */
  acknowledge(received: number): void {
    this.#kept.acknowledge(received);
  }

  /** `sender` is told when the message is written, and can take it back until then. */
  add(message: Message, sender: MessageOwner | null = null): void {
    if (this.#isClosed) return;
    this.#bytes += message.length;
    if (message instanceof Pieces) this.#large.push({ pieces: message, sender });
    else this.#small.add(message, sender);
    this.#schedule();
  }

  /** Before everything that waits: for control messages, which must not wait behind data. */
  addUrgent(frame: Buffer): void {
    if (this.#isClosed) return;
    this.#bytes += frame.length;
    this.#urgent.push(frame);
    this.#schedule();
  }

  /** Takes a message back that was not written whole. `partly`: the other end has the beginning of it. `no`: it is written. */
  remove(sender: MessageOwner): 'unsent' | 'partly' | 'no' {
    const length = this.#small.remove(sender);
    if (length !== null) {
      this.#bytes -= length;
      return 'unsent';
    }
    const taken = this.#large.find(each => each.sender === sender);
    if (taken === undefined) return 'no';
    this.#large = this.#large.filter(each => each !== taken);
    this.#bytes -= taken.pieces.left;
    return taken.pieces.isBegun ? 'partly' : 'unsent';
  }

  /** Writes the messages that wait, now. */
  flush(): void {
    if (this.#canWrite) {
      this.#isScheduled = true;
      this.beforeWrite?.();
    }
    this.#isScheduled = false;
    while (this.#canWrite) for (const sender of this.#writeRound(this.#stream!)) sender?.written();
  }

  /** The stream is free again. */
  drained(): void {
    this.#isBlocked = false;
    this.flush();
  }

  close(): void {
    this.#isClosed = true;
    this.#urgent = [];
    this.#small.clear();
    this.#large = [];
    this.#again = [];
    this.#kept.clear();
    this.#bytes = 0;
  }

  get #canWrite(): boolean {
    return !this.#isClosed && !this.#isBlocked && this.#stream !== null && this.#bytes > 0;
  }

  /** All that is small, and one piece of each large body that is on the way. Returns the senders of what is written whole. */
  #writeRound(stream: ByteStream): readonly (MessageOwner | null)[] {
    if (this.#again.length > 0) {
      this.#writeAgain(stream);
      return [];
    }
    const { frames, senders } = this.#small.takeAll();
    let written = this.#urgent.length === 0 ? frames : [...this.#urgent, ...frames];
    this.#urgent = [];
    this.messages += written.length;
    let bytes = 0;
    for (const frame of written) {
      bytes += frame.length;
      if (this.#isCounted?.(frame)) this.#keep(frame);
    }
    this.#bytes -= bytes;
    if (this.#large.length > 0) {
      written = [...written];
      const underway = this.#large.slice(0, MAX_UNFINISHED);
      // The body with the fewest bytes left gets the largest piece: with equal pieces all bodies would end at the same, late time.
      const first = underway.reduce((least, each) => (each.pieces.left < least.pieces.left ? each : least));
      for (const each of underway) {
        const [header, piece] = each.pieces.take(each === first ? FIRST_PIECE : PIECE);
        this.#bytes -= piece.length;
        bytes += header.length + piece.length;
        written.push(header, piece);
        if (each.pieces.left > 0) continue;
        this.messages += 1;
        this.#keep(each.pieces);
        this.#large = this.#large.filter(other => other !== each);
        senders.push(each.sender);
      }
    }
    this.sentBytes += bytes;
    this.#isBlocked = !stream.write(written);
    return senders;
  }

  /** The other end counts messages in the order in which they end. So each is sent whole, one after the other. */
  #writeAgain(stream: ByteStream): void {
    const written: Buffer[] = [];
    let bytes = 0;
    while (this.#again.length > 0 && bytes < PIECE) {
      const message = this.#again[0]!;
      const frames = message instanceof Pieces ? message.take(PIECE) : [message];
      for (const frame of frames) bytes += frame.length;
      written.push(...frames);
      this.#bytes -= frames.at(-1)!.length;
      if (message instanceof Pieces && message.left > 0) continue;
      this.#again.shift();
      this.messages += 1;
      this.#keep(message);
    }
    this.sentBytes += bytes;
    this.#isBlocked = !stream.write(written);
  }

  #keep(message: Message): void {
    if (this.#isCounted !== null) this.#kept.add(message);
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isBlocked || this.#stream === null) return;
    this.#isScheduled = true;
    // The flush runs after the promise jobs of this turn, even if this is called before them (for an acknowledgement). So what they send
    // goes into the same write.
    SETTLED.then(this.#flushAfterJobs);
  }
}
