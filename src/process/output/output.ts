// What a program writes to stdout and stderr: always drained, its end kept up to a bound, what is dropped counted to
// the byte and marked.
import { StringDecoder } from 'node:string_decoder';
import { createTail } from './tail.ts';

/** Of stderr alone, for reports. */
const REPORT_BYTES = 16 * 1024;
/** How often the two channels may alternate in what is kept; the oldest goes first. */
const MAX_RUNS = 1_024;
/** The most bytes of a code point that can be there without its end. */
const UNFINISHED = 3;

export type Channel = 'stdout' | 'stderr';

export interface OutputChunk {
  readonly channel: Channel;
  readonly text: string;
  /** So many bytes of this channel are missing here; the text is empty then. */
  readonly droppedBytes?: number;
}

export interface Follower {
  next(chunk: OutputChunk): void;
}

export interface Output {
  /** The chunk is not held on to. */
  add(channel: Channel, chunk: Buffer): void;
  /** The kept end of both channels, in the order of arrival; what is missing before it is marked first. */
  kept(): OutputChunk[];
  /** The last lines of stderr. */
  stderrTail(lines: number): string;
  readonly totalBytes: number;
  readonly droppedBytes: number;
}

/** Decodes what arrives while somebody follows, from where what was kept until then ended. */
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
    /** Nobody follows: only the last bytes matter, with which a code point may have begun. */
    skip(chunk: Buffer): void {
      decoder = null;
      end = chunk.length >= UNFINISHED ? Buffer.from(chunk.subarray(-UNFINISHED)) : Buffer.concat([end, chunk]).subarray(-UNFINISHED);
    },
  };
}

/** How many bytes at the beginning belong to a code point whose beginning is missing. */
function orphaned(bytes: Buffer): number {
  let count = 0;
  while (count < UNFINISHED && count < bytes.length && (bytes[count]! & 0xc0) === 0x80) count += 1;
  return count;
}

/** `followers` are told of every chunk as it arrives; without any, nothing is decoded. */
export function createOutput(maxKeptBytes: number, followers: ReadonlySet<Follower>): Output {
  const tail = createTail(maxKeptBytes);
  /** What is in the tail: so many bytes of one channel, so many of the other. */
  let runs: { readonly channel: Channel; length: number }[] = [];
  /** The oldest that is still there; those before it are cut off now and then. */
  let oldest = 0;
  // Kept apart: a flood on stdout must not wash away what a report has to say.
  const stderr = createTail(REPORT_BYTES);
  const dropped = { stdout: 0, stderr: 0 };
  const live = { stdout: createLive(), stderr: createLive() };
  let totalBytes = 0;

  /** Counts what has left the tail, the oldest first. */
  const forget = (count: number): void => {
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
      if (lost > 0) forget(lost);
      if (runs.length - oldest > MAX_RUNS) {
        const { length } = runs[oldest]!;
        tail.drop(length);
        forget(length);
      }
      if (channel === 'stderr') stderr.add(chunk);
      if (followers.size === 0) return live[channel].skip(chunk);
      const text = live[channel].write(chunk);
      // Those of now: one that is added on the way has this chunk from what is kept.
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
          const rest = orphaned(bytes);
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
      const text = bytes.toString('utf8', stderr.length === REPORT_BYTES ? orphaned(bytes) : 0);
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
