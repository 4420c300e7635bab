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

export function createTail(maxBytes: number): Tail {
  let ring = Buffer.alloc(0);
  let start = 0;
  let length = 0;

  const read = (from: number, count: number): Buffer => {
    const copy = Buffer.allocUnsafe(count);
    if (count === 0) return copy;
    const at = (start + from) % ring.length;
    const first = ring.copy(copy, 0, at, Math.min(ring.length, at + count));
    ring.copy(copy, first, 0, count - first);
    return copy;
  };
  const reserve = (bytes: number): void => {
    if (bytes <= ring.length) return;
    let size = Math.max(INITIAL_BYTES, ring.length);
    while (size < bytes) size *= 2;
    const larger = Buffer.alloc(Math.min(size, maxBytes));
    read(0, length).copy(larger);
    ring = larger;
    start = 0;
  };
  const drop = (count: number): void => {
    length -= count;
    start = length === 0 ? 0 : (start + count) % ring.length;
  };

  return {
    read,
    drop,
    add(bytes) {
      const kept = bytes.subarray(-maxBytes);
      const surplus = Math.max(0, length + kept.length - maxBytes);
      if (surplus > 0) drop(surplus);
      if (kept.length > 0) {
        reserve(length + kept.length);
        const at = (start + length) % ring.length;
        const first = kept.copy(ring, at);
        kept.copy(ring, 0, first);
        length += kept.length;
      }
      return surplus + bytes.length - kept.length;
    },
    get length() {
      return length;
    },
  };
}
