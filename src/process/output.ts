// What a program writes to stdout and stderr: always drained, its end kept up to a bound, what is dropped counted.
import { StringDecoder } from 'node:string_decoder';

/** Of stderr alone, for reports. */
const REPORT_BYTES = 16 * 1024;

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

/** The end of a stream, up to a bound. */
function createTail<T extends { readonly bytes: Buffer }>(maxBytes: number, cut: (piece: T, bytes: Buffer) => T) {
  let pieces: T[] = [];
  let kept = 0;
  return {
    pieces: (): readonly T[] => pieces,
    /** Returns how many bytes were dropped for it. */
    add(piece: T): number {
      pieces.push(piece);
      kept += piece.bytes.length;
      let dropped = 0;
      while (kept > maxBytes) {
        const first = pieces[0]!;
        const surplus = Math.min(first.bytes.length, kept - maxBytes);
        kept -= surplus;
        dropped += surplus;
        if (surplus === first.bytes.length) pieces = pieces.slice(1);
        else pieces[0] = cut(first, first.bytes.subarray(surplus));
      }
      return dropped;
    },
  };
}

/** `followers` are told of every chunk as it arrives; without any, nothing is decoded. */
export function createOutput(maxKeptBytes: number, followers: ReadonlySet<Follower>): Output {
  const tail = createTail<{ channel: Channel; bytes: Buffer }>(maxKeptBytes, ({ channel }, bytes) => ({ channel, bytes }));
  // Kept apart: a flood on stdout must not wash away what a report has to say.
  const stderr = createTail<{ bytes: Buffer }>(REPORT_BYTES, (_, bytes) => ({ bytes }));
  let totalBytes = 0;
  let droppedBytes = 0;
  const live = { stdout: new StringDecoder('utf8'), stderr: new StringDecoder('utf8') };

  return {
    add(channel, chunk) {
      totalBytes += chunk.length;
      // A copy of the end of it: a small rest must not hold on to a large buffer of the pipe.
      const bytes = Buffer.from(chunk.length > maxKeptBytes ? chunk.subarray(-maxKeptBytes) : chunk);
      droppedBytes += chunk.length - bytes.length + tail.add({ channel, bytes });
      if (channel === 'stderr') stderr.add({ bytes });
      if (followers.size === 0) return;
      const text = live[channel].write(chunk);
      for (const follower of followers) follower.next({ channel, text });
    },
    kept() {
      const decoders = { stdout: new StringDecoder('utf8'), stderr: new StringDecoder('utf8') };
      return tail.pieces().map(({ channel, bytes }) => ({ channel, text: decoders[channel].write(bytes) }));
    },
    stderrTail(lines) {
      const text = Buffer.concat(stderr.pieces().map(({ bytes }) => bytes)).toString('utf8');
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
