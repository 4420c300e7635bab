// The last bytes of a stream, in one ring buffer with a bound. A write allocates nothing once the ring has its full size, so
// many small writes cost no more than a few large ones.

export interface Tail {
  /** Returns how many bytes were dropped, old ones or new ones. */
  add(bytes: Buffer): number;
  /** Drops the oldest bytes. */
  drop(count: number): void;
  /** A copy of `count` bytes; `from` counts from the oldest. */
  read(from: number, count: number): Buffer;
  readonly length: number;
}

/** The first size of the ring, in bytes: most programs write little. */
const INITIAL_BYTES = 1_024;
const NOTHING = Buffer.alloc(0);

/** A class, because V8 gives each object literal with a getter a hash table of its own. */
class RingTail implements Tail {
  readonly #maxBytes: number;
  #ring = NOTHING;
  #start = 0;
  length = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  read(from: number, count: number): Buffer {
    const copy = Buffer.allocUnsafe(count);
    if (count === 0) return copy;
    const at = (this.#start + from) % this.#ring.length;
    const first = this.#ring.copy(copy, 0, at, Math.min(this.#ring.length, at + count));
    this.#ring.copy(copy, first, 0, count - first);
    return copy;
  }

  drop(count: number): void {
    this.length -= count;
    this.#start = this.length === 0 ? 0 : (this.#start + count) % this.#ring.length;
  }

  add(bytes: Buffer): number {
    const max = this.#maxBytes;
    const kept = bytes.subarray(-max);
    const surplus = Math.max(0, this.length + kept.length - max);
    if (surplus > 0) this.drop(surplus);
    if (kept.length > 0) {
      this.#reserve(this.length + kept.length);
      const at = (this.#start + this.length) % this.#ring.length;
      const first = kept.copy(this.#ring, at);
      kept.copy(this.#ring, 0, first);
      this.length += kept.length;
    }
    return surplus + bytes.length - kept.length;
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#ring.length) return;
    let size = Math.max(INITIAL_BYTES, this.#ring.length);
    while (size < bytes) size *= 2;
    const larger = Buffer.alloc(Math.min(size, this.#maxBytes));
    this.read(0, this.length).copy(larger);
    this.#ring = larger;
    this.#start = 0;
  }
}

export const createTail = (maxBytes: number): Tail => new RingTail(maxBytes);
