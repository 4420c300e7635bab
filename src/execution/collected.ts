// The output that `collect` joins: the first bytes up to a bound, without a hole. What comes after is only counted.

export type OutputData = string | Buffer;

export interface Collected {
  /** `bytes`: of the output, in UTF-8 for a text. Returns how many of them were not kept. */
  add(output: OutputData, bytes: number): number;
  /** Followed by `last`, the output of the terminal response. */
  join(last: OutputData | null): OutputData;
}

export function createCollected(maxBytes: number): Collected {
  const parts: OutputData[] = [];
  let room = maxBytes;
  return {
    add(output, bytes) {
      if (bytes <= room) {
        room -= bytes;
        parts.push(output);
        return 0;
      }
      const kept = beginning(output, room);
      room = 0;
      parts.push(kept);
      return bytes - Buffer.byteLength(kept);
    },
    join(last) {
      const all = last === null ? parts : [...parts, last];
      return all.every(each => typeof each === 'string') ? all.join('') : Buffer.concat(all.map(each => Buffer.from(each as Buffer)));
    },
  };
}

/** As many bytes as fit, or as many whole code points. */
function beginning(output: OutputData, maxBytes: number): OutputData {
  if (typeof output !== 'string') return output.subarray(0, maxBytes);
  const bytes = Buffer.from(output);
  let end = maxBytes;
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end -= 1;
  return bytes.toString('utf8', 0, end);
}
