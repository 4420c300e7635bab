// What a program writes to stdout and stderr: always drained, its end kept up to a bound, what is dropped counted.
import { StringDecoder } from 'node:string_decoder';

export type Channel = 'stdout' | 'stderr';

export interface OutputChunk {
  readonly channel: Channel;
  readonly text: string;
}

export interface Follower {
  next(chunk: OutputChunk): void;
}

export interface Output {
  add(channel: Channel, chunk: Buffer): void;
  /** The kept end of both channels, in the order of arrival. */
  kept(): OutputChunk[];
  /** The last lines of stderr. */
  stderrTail(lines: number): string;
  readonly totalBytes: number;
  readonly droppedBytes: number;
}

/** `followers` are told of every chunk as it arrives; without any, nothing is decoded. */
export function createOutput(maxKeptBytes: number, followers: ReadonlySet<Follower>): Output {
  const chunks: { channel: Channel; bytes: Buffer }[] = [];
  let keptBytes = 0;
  let totalBytes = 0;
  let droppedBytes = 0;
  const live = { stdout: new StringDecoder('utf8'), stderr: new StringDecoder('utf8') };

  const decode = (channels: readonly Channel[]): OutputChunk[] => {
    const decoders = { stdout: new StringDecoder('utf8'), stderr: new StringDecoder('utf8') };
    return chunks
      .filter(each => channels.includes(each.channel))
      .map(({ channel, bytes }) => ({ channel, text: decoders[channel].write(bytes) }));
  };

  return {
    add(channel, chunk) {
      totalBytes += chunk.length;
      // A copy of the end of it: a small rest must not hold on to a large buffer of the pipe.
      const bytes = Buffer.from(chunk.length > maxKeptBytes ? chunk.subarray(-maxKeptBytes) : chunk);
      droppedBytes += chunk.length - bytes.length;
      chunks.push({ channel, bytes });
      keptBytes += bytes.length;
      while (keptBytes > maxKeptBytes) {
        const first = chunks[0]!;
        const surplus = Math.min(first.bytes.length, keptBytes - maxKeptBytes);
        keptBytes -= surplus;
        droppedBytes += surplus;
        if (surplus === first.bytes.length) chunks.shift();
        else chunks[0] = { channel: first.channel, bytes: first.bytes.subarray(surplus) };
      }
      if (followers.size === 0) return;
      const text = live[channel].write(chunk);
      for (const follower of followers) follower.next({ channel, text });
    },
    kept: () => decode(['stdout', 'stderr']),
    stderrTail(lines) {
      const text = decode(['stderr'])
        .map(chunk => chunk.text)
        .join('');
      return text.trimEnd().split('\n').slice(-lines).join('\n');
    },
    get totalBytes() {
      return totalBytes;
    },
    get droppedBytes() {
      return droppedBytes;
    },
  };
}
