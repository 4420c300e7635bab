// The output of a program. stdout and stderr are always read; their last bytes are kept up to a bound, and dropped bytes are
// counted exactly and marked.
import { StringDecoder } from 'node:string_decoder';
import { createTail, type Tail } from './tail.ts';

/** The part of stderr that is kept for reports, in bytes. */
const REPORT_BYTES = 16 * 1024;
/** How often the channels may alternate in the kept output; the oldest run is dropped first. */
const MAX_RUNS = 1_024;
/** An unfinished code point has at most this many bytes. */
const UNFINISHED = 3;
const NOTHING = Buffer.alloc(0);
const NONE_DROPPED = { stdout: 0, stderr: 0 };

/** A stream of a program that it writes to. */
export type Channel = 'stdout' | 'stderr';

/** A part of what a program has written to stdout or stderr. */
export interface OutputChunk {
  /** The stream that the program has written to. */
  readonly channel: Channel;
  /** What it has written, decoded as UTF-8. */
  readonly text: string;
  /** This many bytes of the channel are missing here; then the text is empty. */
  readonly droppedBytes?: number;
}

/** @internal */
export interface Follower {
  next(chunk: OutputChunk): void;
}

/** @internal */
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
class Live {
  #decoder: StringDecoder | null = null;
  #end = NOTHING;

  write(chunk: Buffer): string {
    if (this.#decoder === null) {
      this.#decoder = new StringDecoder('utf8');
      this.#decoder.write(this.#end);
    }
    return this.#decoder.write(chunk);
  }
  /** Without followers, only the last bytes are kept: a code point may have begun in them. */
  skip(chunk: Buffer): void {
    this.#decoder = null;
    this.#end =
      chunk.length >= UNFINISHED ? Buffer.from(chunk.subarray(-UNFINISHED)) : Buffer.concat([this.#end, chunk]).subarray(-UNFINISHED);
  }
}

/** How many bytes at the beginning belong to a code point whose first byte is missing. */
function incompleteStart(bytes: Buffer): number {
  let count = 0;
  while (count < UNFINISHED && count < bytes.length && (bytes[count]! & 0xc0) === 0x80) count += 1;
  return count;
}

/** What was written. Most programs write nothing, so it is made with the first chunk. */
class Written {
  readonly tail: Tail;
  // A tail of its own, since a flood on stdout must not displace the stderr that a report needs.
  readonly stderr = createTail(REPORT_BYTES);
  readonly dropped = { stdout: 0, stderr: 0 };
  readonly live = { stdout: new Live(), stderr: new Live() };
  /** The channel and the length of each part of the tail, in order. */
  #runs: { readonly channel: Channel; length: number }[] = [];
  /** The index of the oldest run in the tail. Runs before it are removed when there are MAX_RUNS of them. */
  #oldest = 0;

  constructor(maxKeptBytes: number) {
    this.tail = createTail(maxKeptBytes);
  }

  get runs(): readonly { readonly channel: Channel; readonly length: number }[] {
    return this.#runs.slice(this.#oldest);
  }

  keep(channel: Channel, chunk: Buffer): void {
    const last = this.#runs.length > this.#oldest ? this.#runs.at(-1) : undefined;
    if (last?.channel === channel) last.length += chunk.length;
    else this.#runs.push({ channel, length: chunk.length });
    const lost = this.tail.add(chunk);
    if (lost > 0) this.#countDropped(lost);
    if (this.#runs.length - this.#oldest > MAX_RUNS) {
      const { length } = this.#runs[this.#oldest]!;
      this.tail.drop(length);
      this.#countDropped(length);
    }
    if (channel === 'stderr') this.stderr.add(chunk);
  }

  /** Counts the bytes that have left the tail, oldest first. */
  #countDropped(count: number): void {
    for (let rest = count; rest > 0; ) {
      const run = this.#runs[this.#oldest]!;
      const gone = Math.min(rest, run.length);
      this.dropped[run.channel] += gone;
      run.length -= gone;
      rest -= gone;
      if (run.length === 0) this.#oldest += 1;
    }
    if (this.#oldest < MAX_RUNS) return;
    this.#runs = this.#runs.slice(this.#oldest);
    this.#oldest = 0;
  }
}

/** A class, because V8 gives each object literal with a getter a hash table of its own. */
class BoundedOutput implements Output {
  readonly #maxKeptBytes: number;
  readonly #followers: ReadonlySet<Follower>;
  #written: Written | null = null;
  totalBytes = 0;

  constructor(maxKeptBytes: number, followers: ReadonlySet<Follower>) {
    this.#maxKeptBytes = maxKeptBytes;
    this.#followers = followers;
  }

  get droppedBytes(): number {
    const { stdout, stderr } = this.#written?.dropped ?? NONE_DROPPED;
    return stdout + stderr;
  }

  add(channel: Channel, chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.totalBytes += chunk.length;
    this.#written ??= new Written(this.#maxKeptBytes);
    this.#written.keep(channel, chunk);
    const live = this.#written.live[channel];
    if (this.#followers.size === 0) return live.skip(chunk);
    const text = live.write(chunk);
    // A copy of the set: a follower that is added meanwhile has this chunk from the kept output.
    if (text !== '') for (const follower of [...this.#followers]) follower.next({ channel, text });
  }

  kept(): OutputChunk[] {
    if (this.#written === null) return [];
    const { tail, runs, dropped } = this.#written;
    const decoders = { stdout: new StringDecoder('utf8'), stderr: new StringDecoder('utf8') };
    const missing = { ...dropped };
    const begun = { stdout: false, stderr: false };
    const chunks: OutputChunk[] = [];
    let at = 0;
    for (const { channel, length } of runs) {
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
  }

  stderrTail(lines: number): string {
    if (this.#written === null) return '';
    const { stderr } = this.#written;
    const bytes = stderr.read(0, stderr.length);
    const text = bytes.toString('utf8', stderr.length === REPORT_BYTES ? incompleteStart(bytes) : 0);
    return text.trimEnd().split('\n').slice(-lines).join('\n');
  }
}

/**
 * @internal
 */
export const createOutput = (maxKeptBytes: number, followers: ReadonlySet<Follower>): Output => new BoundedOutput(maxKeptBytes, followers);
