// The output that `collect` joins: the first bytes up to a bound, without a hole. What comes after is only counted.

export interface Collected {
  /** `bytes`: of the output in UTF-8. Returns how many of them were not kept. */
  add(output: string, bytes: number): number;
  join(): string;
}

export function createCollected(maxBytes: number): Collected {
  const pieces: string[] = [];
  let room = maxBytes;
  return {
    add(output, bytes) {
      if (bytes <= room) {
        room -= bytes;
        pieces.push(output);
        return 0;
      }
      const kept = beginning(output, room);
      room = 0;
      pieces.push(kept);
      return bytes - Buffer.byteLength(kept);
    },
    join: () => pieces.join(''),
  };
}

/** As many whole code points as fit. */
function beginning(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text);
  let end = maxBytes;
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end -= 1;
  return bytes.toString('utf8', 0, end);
}
