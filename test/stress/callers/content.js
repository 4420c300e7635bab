// The output of the agents, and random numbers from a seed. Every byte of output is known by its offset, so that lost, repeated,
// moved or foreign output is found. It does not know executions.

/** The length of the content in bytes. Longer output repeats it. */
export const SIZE = 2 * 2 ** 20;
const WORDS = [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 \n\t"\\', 'é', '€', '😀'];
/** The number of bytes that identify where output continues after a hole. */
const WINDOW = 48;

/** Returns a generator of numbers 0 ≤ x < 1, the same for the same keys, and different for neighbouring keys. */
export function randomOf(...keys) {
  let state = 0x9e3779b9;
  for (const key of keys) state = Math.imul(state ^ key, 0x85ebca6b) ^ (state >>> 13);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const whole = (random, from, to) => from + Math.floor(random() * (to - from + 1));
export const pick = (random, weights) => {
  let at = random() * Object.values(weights).reduce((sum, weight) => sum + weight, 0);
  for (const [name, weight] of Object.entries(weights)) if ((at -= weight) < 0) return name;
  return Object.keys(weights)[0];
};

function createContent() {
  const random = randomOf(1);
  const bytes = Buffer.alloc(SIZE, ' ');
  for (let at = 0; at < SIZE - 4; ) at += bytes.write(WORDS[Math.floor(random() * WORDS.length)], at);
  const isBoundary = at => (bytes[at % SIZE] & 0xc0) !== 0x80;
  /** The content twice, so that every piece is contiguous. */
  const twice = Buffer.concat([bytes, bytes]);

  return {
    bytes,
    /** `length` bytes from this offset on, at most SIZE. */
    slice: (from, length) => twice.subarray(from % SIZE, (from % SIZE) + length),
    /** The next offset at which a character begins. */
    boundary(at) {
      let found = at;
      while (!isBoundary(found)) found += 1;
      return found;
    },
    /** Whether an execution whose output begins at `base` writes this piece at `offset`. */
    isAt(piece, base, offset) {
      for (let at = 0; at < piece.length; at += SIZE) {
        const part = piece.subarray(at, at + SIZE);
        const from = (base + offset + at) % SIZE;
        if (!part.equals(twice.subarray(from, from + part.length))) return false;
      }
      return true;
    },
    /**
     * The holes in this output, compared with the `total` bytes that were written from `base` on; null: it is not that output.
     * The limit: a hole of more than SIZE bytes appears shorter by a multiple of SIZE.
     */
    holes(output, base, total) {
      const found = [];
      let offset = 0;
      let at = 0;
      while (at < output.length) {
        const from = (base + offset) % SIZE;
        const same = sameBytes(output, at, twice, from);
        at += same;
        offset += same;
        if (same === SIZE || at === output.length) continue;
        const next = twice.indexOf(output.subarray(at, at + WINDOW), (base + offset) % SIZE);
        if (next === -1) return null;
        const hole = next - ((base + offset) % SIZE);
        if (hole === 0 || offset + hole + (output.length - at) > total) return null;
        found.push({ from: offset, to: offset + hole });
        offset += hole;
      }
      return found;
    },
  };
}

/** The number of equal bytes from these offsets on, at most SIZE. */
function sameBytes(one, at, other, from) {
  const most = Math.min(one.length - at, SIZE, other.length - from);
  if (one.compare(other, from, from + most, at, at + most) === 0) return most;
  let low = 0;
  let high = most;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (one.compare(other, from, from + middle, at, at + middle) === 0) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The content of all executions; each begins at an offset of its own. */
export const content = createContent();
