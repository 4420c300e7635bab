// Frames that wait in order. Each can be taken back in constant time.

/** Its `written` is called when the last byte of its message is handed to the stream. */
export interface MessageOwner {
  written(): void;
  /** Where its message stands in the queue; kept by the queue. */
  queuedAt?: number;
}

const NOTHING = Buffer.alloc(0);
/** Removed slots are compacted when there are more than this and they are more than half. */
const COMPACT = 1_024;

export class Slots {
  #frames: Buffer[] = [];
  #senders: (MessageOwner | null)[] = [];
  #removed = 0;

  add(frame: Buffer, sender: MessageOwner | null): void {
    if (sender !== null) sender.queuedAt = this.#frames.length;
    this.#frames.push(frame);
    this.#senders.push(sender);
  }

  /** Takes the frame of a sender back. Returns its length; null: it does not wait here. */
  remove(sender: MessageOwner): number | null {
    const { queuedAt } = sender;
    if (queuedAt === undefined || this.#senders[queuedAt] !== sender) return null;
    const { length } = this.#frames[queuedAt]!;
    // The slot stays, because the senders behind it know the index of theirs.
    this.#frames[queuedAt] = NOTHING;
    this.#senders[queuedAt] = null;
    this.#removed += 1;
    if (this.#removed > COMPACT && this.#removed > this.#frames.length / 2) this.#compact();
    return length;
  }

  /** Hands over all that wait. */
  takeAll(): { frames: Buffer[]; senders: (MessageOwner | null)[] } {
    const frames = this.#removed === 0 ? this.#frames : this.#frames.filter(frame => frame !== NOTHING);
    const senders = this.#senders;
    this.clear();
    return { frames, senders };
  }

  clear(): void {
    this.#frames = [];
    this.#senders = [];
    this.#removed = 0;
  }

  #compact(): void {
    const kept = this.#senders.filter((_, index) => this.#frames[index] !== NOTHING);
    this.#frames = this.#frames.filter(frame => frame !== NOTHING);
    this.#senders = kept;
    this.#removed = 0;
    for (const [index, sender] of this.#senders.entries()) if (sender !== null) sender.queuedAt = index;
  }
}
