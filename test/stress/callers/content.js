// What the agents write, and chance from a seed. Each byte of output is known by its offset, so that a piece which is lost,
// repeated, moved or of another execution is found. It knows nothing of executions.

/** Bytes of the content; output goes round it. */
export const SIZE = 2 * 2 ** 20;
const WORDS = [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 \n\t"\\', 'é', '€', '😀'];
/** So many bytes are compared to find where output goes on after a hole. */
const WINDOW = 48;

/** 0 ≤ x < 1, the same for the same keys, and unlike that of neighbouring keys. */
export function streamOf(...keys) {
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
  const random = streamOf(1);
  const bytes = Buffer.alloc(SIZE, ' ');
  for (let at = 0; at < SIZE - 4; ) at += bytes.write(WORDS[Math.floor(random() * WORDS.length)], at);
  const isBoundary = at => (bytes[at % SIZE] & 0xc0) !== 0x80;
  /** The content once more behind itself, so that no piece has to be joined. */
  const twice = Buffer.concat([bytes, bytes]);

  return {
    bytes,
    /** The next place from here where a character begins. */
    boundary(at) {
      let found = at;
      while (!isBoundary(found)) found += 1;
      return found;
    },
    /** Whether this is what an execution that begins at `base` writes at `offset`. */
    isAt(piece, base, offset) {
      for (let at = 0; at < piece.length; at += SIZE) {
        const part = piece.subarray(at, at + SIZE);
        const from = (base + offset + at) % SIZE;
        if (!part.equals(twice.subarray(from, from + part.length))) return false;
      }
      return true;
    },
    /**
     * The holes that make this output out of what was written from `base` on, `total` bytes; null: it is no such output.
     * A hole of more than SIZE bytes is found short by SIZE, or a multiple of it.
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

/** How many bytes are the same from here on, at most SIZE. */
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

/** The same for all: what an execution writes begins at a place of its own. */
export const content = createContent();
