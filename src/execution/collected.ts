// The running output that a result has: the first bytes up to a bound, without a hole. What comes after is only counted.

export type OutputData = string | Buffer;

export interface Collected {
  /** Bytes that were not kept. */
  readonly dropped: number;
  /** `bytes`: of the output, in UTF-8 for a text. */
  add(output: OutputData, bytes: number): void;
  /** Followed by `last`, the output of the terminal response. Null where there is no output. */
  join(last: OutputData | null): OutputData | null;
}

/** Smaller pieces are joined: one of two characters alone takes some 30 bytes of memory. In characters or bytes. */
const SMALL = 256;
/** How many small pieces are joined at a time. */
const JOINED = 256;

export function createCollected(maxBytes: number): Collected {
  const parts: OutputData[] = [];
  let recent: OutputData[] = [];
  let room = maxBytes;
  let dropped = 0;
  const joinRecent = (): void => {
    if (recent.length > 0) parts.push(concat(recent));
    recent = [];
  };
  const keep = (output: OutputData): void => {
    if (output.length === 0) return;
    if (output.length < SMALL) {
      if (recent.push(output) === JOINED) joinRecent();
      return;
    }
    joinRecent();
    parts.push(output);
  };
  return {
    get dropped() {
      return dropped;
    },
    add(output, bytes) {
      if (bytes <= room) {
        room -= bytes;
        keep(output);
        return;
      }
      dropped += bytes;
      if (room === 0) return;
      const kept = beginning(output, room);
      dropped -= Buffer.byteLength(kept);
      room = 0;
      keep(kept);
    },
    join(last) {
      joinRecent();
      if (parts.length === 0) return last;
      return concat(last === null ? parts : [...parts, last]);
    },
  };
}

const concat = (parts: readonly OutputData[]): OutputData =>
  typeof parts[0] === 'string' ? parts.join('') : Buffer.concat(parts as readonly Buffer[]);

/** As many bytes as fit, or as many whole code points. */
function beginning(output: OutputData, maxBytes: number): OutputData {
  if (typeof output !== 'string') return output.subarray(0, maxBytes);
  const bytes = Buffer.from(output);
  let end = maxBytes;
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end -= 1;
  return bytes.toString('utf8', 0, end);
}
