// The output of a program. stdout and stderr are always read; their last bytes are kept up to a bound, and dropped bytes are
// counted exactly and marked.
import { StringDecoder } from 'node:string_decoder';
import { createTail } from './tail.ts';

/** The part of stderr that is kept for reports, in bytes. */
const REPORT_BYTES = 16 * 1024;
/** How often the channels may alternate in the kept output; the oldest run is dropped first. */
const MAX_RUNS = 1_024;
/** An unfinished code point has at most this many bytes. */
const UNFINISHED = 3;

export type Channel = 'stdout' | 'stderr';

export interface OutputChunk {
  readonly channel: Channel;
  readonly text: string;
  /** This many bytes of the channel are missing here; then the text is empty. */
  readonly droppedBytes?: number;
}

export interface Follower {
  next(chunk: OutputChunk): void;
}

export interface Output {
  /** Keeps no reference to the chunk. */
  add(channel: Channel, chunk: Buffer): void;
  /** The kept output of both channels in order of arrival. Marks of the dropped bytes come first. */
  kept(): OutputChunk[];
  /** The last lines of stderr. */
  stderrTail(lines: number): string;
  readonly totalBytes: number;
  readonly droppedBytes: number;
}

/** Decodes chunks while there are followers, and continues within the code point at which the skipped bytes ended. */
function createLive() {
  let decoder: StringDecoder | null = null;
  let end = Buffer.alloc(0);
  return {
    write(chunk: Buffer): string {
      if (decoder === null) {
        decoder = new StringDecoder('utf8');
        decoder.write(end);
      }
      return decoder.write(chunk);
    },
    /** Without followers, only the last bytes are kept: a code point may have begun in them. */
    skip(chunk: Buffer): void {
      decoder = null;
      end = chunk.length >= UNFINISHED ? Buffer.from(chunk.subarray(-UNFINISHED)) : Buffer.concat([end, chunk]).subarray(-UNFINISHED);
    },
  };
}

/** How many bytes at the beginning belong to a code point whose first byte is missing. */
function incompleteStart(bytes: Buffer): number {
  let count = 0;
  while (count < UNFINISHED && count < bytes.length && (bytes[count]! & 0xc0) === 0x80) count += 1;
  return count;
}

/** `followers` receive every chunk as it arrives; without followers, nothing is decoded. */
export function createOutput(maxKeptBytes: number, followers: ReadonlySet<Follower>): Output {
  const tail = createTail(maxKeptBytes);
  /** The channel and the length of each part of the tail, in order. */
  let runs: { readonly channel: Channel; length: number }[] = [];
  /** The index of the oldest run in the tail. Runs before it are removed when there are MAX_RUNS of them. */
  let oldest = 0;
  // A tail of its own, since a flood on stdout must not displace the stderr that a report needs.
  const stderr = createTail(REPORT_BYTES);
  const dropped = { stdout: 0, stderr: 0 };
  const live = { stdout: createLive(), stderr: createLive() };
  let totalBytes = 0;

  /** Counts the bytes that have left the tail, oldest first. */
  const countDropped = (count: number): void => {
    for (let rest = count; rest > 0; ) {
      const run = runs[oldest]!;
      const gone = Math.min(rest, run.length);
      dropped[run.channel] += gone;
      run.length -= gone;
      rest -= gone;
      if (run.length === 0) oldest += 1;
    }
    if (oldest < MAX_RUNS) return;
    runs = runs.slice(oldest);
    oldest = 0;
  };

  return {
    add(channel, chunk) {
      if (chunk.length === 0) return;
      totalBytes += chunk.length;
      const last = runs.length > oldest ? runs.at(-1) : undefined;
      if (last?.channel === channel) last.length += chunk.length;
      else runs.push({ channel, length: chunk.length });
      const lost = tail.add(chunk);
      if (lost > 0) countDropped(lost);
      if (runs.length - oldest > MAX_RUNS) {
        const { length } = runs[oldest]!;
        tail.drop(length);
        countDropped(length);
      }
      if (channel === 'stderr') stderr.add(chunk);
      if (followers.size === 0) return live[channel].skip(chunk);
      const text = live[channel].write(chunk);
      // A copy of the set: a follower that is added meanwhile has this chunk from the kept output.
      if (text !== '') for (const follower of [...followers]) follower.next({ channel, text });
    },
    kept() {
      const decoders = { stdout: new StringDecoder('utf8'), stderr: new StringDecoder('utf8') };
      const missing = { ...dropped };
      const begun = { stdout: false, stderr: false };
      const chunks: OutputChunk[] = [];
      let at = 0;
      for (const { channel, length } of runs.slice(oldest)) {
        let bytes = tail.read(at, length);
        at += length;
        if (!begun[channel] && missing[channel] > 0) {
          const rest = incompleteStart(bytes);
          missing[channel] += rest;
          bytes = bytes.subarray(rest);
        }
        begun[channel] = true;
        const text = decoders[channel].write(bytes);
        if (text !== '') chunks.push({ channel, text });
      }
      const marks = (['stdout', 'stderr'] as const).filter(channel => missing[channel] > 0);
      return [...marks.map(channel => ({ channel, text: '', droppedBytes: missing[channel] })), ...chunks];
    },
    stderrTail(lines) {
      const bytes = stderr.read(0, stderr.length);
      const text = bytes.toString('utf8', stderr.length === REPORT_BYTES ? incompleteStart(bytes) : 0);
      return text.trimEnd().split('\n').slice(-lines).join('\n');
    },
    get totalBytes() {
      return totalBytes;
    },
    get droppedBytes() {
      return dropped.stdout + dropped.stderr;
    },
  };
}
