// What the requests of a dialogue ask for: drawn from a seed by the host, done by the handler of the agent, and known to the judge
// byte for byte. It knows no connection.
import { StringDecoder } from 'node:string_decoder';
import type { Handler } from '../../src/agent/handler.ts';
import { pieces, slices } from '../../src/agent/text.ts';
import { bounds } from '../../src/limits.ts';
import { seededRandom } from '../world/random.ts';

/** The plan of one request. It travels as JSON in its first argument. */
export interface Work {
  /** From this seed both ends make the same output. */
  readonly seed: number;
  readonly writes: number;
  /** The most bytes of a write. */
  readonly maxWrite: number;
  readonly isAwaited: boolean;
  /** Before each write, up to this time, in ms. */
  readonly pause: number;
  /** Bytes of the input; null: the request has none. */
  readonly input: number | null;
  /** Of the output of the result. */
  readonly resultSize: number;
  readonly ending: 'completes' | 'throws' | 'fails' | 'waits';
  /** It answers in the turn of its request. */
  readonly isPrompt: boolean;
}

export interface Write {
  readonly output: string | Buffer;
  readonly channel: 'stdout' | 'stderr';
}

export const EXIT_CODE = 7;
interface Sizes {
  /** Of a write, at most; of the input and of the result. In bytes. */
  readonly write: readonly number[];
  readonly input: readonly (number | null)[];
  readonly result: readonly number[];
  /** Counts. */
  readonly writes: readonly number[];
}
/** Small ones pass whole over connections that break after each 1,000 bytes. */
const SIZES: Readonly<Record<'small' | 'any' | 'large', Sizes>> = {
  small: { write: [0, 10, 100, 400], input: [null, null, null, 0, 100, 500], result: [0, 4, 4, 4, 400], writes: [0, 1, 3, 10, 30] },
  any: {
    write: [0, 10, 300, 5_000, 20_000, 70_000],
    input: [null, null, null, 0, 100, 20_000, 100_000, 300_000, 900_000],
    result: [0, 4, 4, 4, 1_000, 30_000, 200_000],
    writes: [0, 0, 1, 3, 10, 40, 100],
  },
  /** Requests and results go in several pieces, and outputs fill the windows of their readers. */
  large: {
    write: [5_000, 20_000, 70_000],
    input: [null, null, 100_000, 600_000, 900_000],
    result: [4, 600_000, 900_000],
    writes: [0, 40, 100],
  },
};
/** Of all writes of a request, in bytes. */
const MAX_OUTPUT = 300_000;

export function drawWork({ fraction }: { fraction(): number }, size: 'small' | 'any' | 'large'): Work {
  const sizes = SIZES[size];
  const upTo = (count: number): number => Math.floor(fraction() * count);
  const one = <T>(list: readonly T[]): T => list[upTo(list.length)]!;
  const writes = one(sizes.writes);
  return {
    seed: upTo(2 ** 30),
    writes,
    maxWrite: Math.min(one(sizes.write) + 1, Math.floor((2 * MAX_OUTPUT) / Math.max(1, writes))),
    // Outputs that nobody awaits come while earlier ones wait for their reader.
    isAwaited: fraction() < (size === 'large' ? 0.3 : 0.7),
    pause: one([0, 0, 20, 300]),
    input: one(sizes.input),
    resultSize: one(sizes.result),
    ending: one(['completes', 'completes', 'completes', 'throws', 'fails', 'waits']),
    isPrompt: writes === 0 && fraction() < 0.5,
  };
}

/** Numbers, so that no stretch of it is like another, between code points of 1 to 4 bytes: made once, since stories need much of it. */
const NUMBERS = 60_000;
const PART = { units: 9, bytes: 14 };
const NUMBERED = Array.from({ length: NUMBERS }, (_, n) => `${n.toString(36).padStart(4, '0')}é€😀.`).join('');
/** About so many bytes of text, from this number on. */
function text(first: number, bytes: number): string {
  const parts = Math.ceil(bytes / PART.bytes);
  const start = (first % (NUMBERS - parts)) * PART.units;
  return NUMBERED.slice(start, start + parts * PART.units);
}

export function* writesOf({ seed, writes, maxWrite }: Work): Generator<Write> {
  const { fraction } = seededRandom(seed);
  for (let n = 0; n < writes; n += 1) {
    const channel = fraction() < 0.7 ? 'stdout' : 'stderr';
    const size = Math.ceil(fraction() * maxWrite);
    const made = text(seed + n * 5_003, size);
    // Bytes end anywhere, also within a code point.
    yield { channel, output: fraction() < 0.5 ? made : Buffer.from(made).subarray(Math.floor(fraction() * 4), size + 4) };
  }
}

export const inputOf = ({ seed, input }: Work): Buffer<ArrayBuffer> | undefined =>
  input === null ? undefined : Buffer.from(text(seed, input)).subarray(0, input);
export const resultOf = ({ seed, resultSize }: Work): string => (resultSize < 10 ? 'done'.slice(0, resultSize) : text(seed, resultSize));

/** One running update, at its place in the output. */
export interface Expected {
  readonly output: Buffer;
  readonly channel: 'stdout' | 'stderr';
}

/** The running updates of an execution that is not cancelled, by their offset. Empty ones are left out. */
export function updatesOf(work: Work, encoding: 'utf8' | 'buffer'): { updates: Map<number, Expected>; bytes: number } {
  const updates = new Map<number, Expected>();
  const decoders = { stdout: new StringDecoder('utf8'), stderr: new StringDecoder('utf8') };
  let bytes = 0;
  const add = (output: Buffer | string, channel: 'stdout' | 'stderr'): void => {
    const encoded = Buffer.from(output as string);
    if (encoded.length > 0) updates.set(bytes, { output: encoded, channel });
    bytes += encoded.length;
  };
  for (const { output, channel } of writesOf(work)) {
    const cut = typeof output === 'string' ? pieces(output, bounds.outputPiece) : slices(output, bounds.outputPiece);
    for (const piece of cut) add(encoding === 'buffer' ? piece : decoders[channel].write(Buffer.from(piece as string)), channel);
  }
  if (encoding === 'utf8') for (const channel of ['stdout', 'stderr'] as const) add(decoders[channel].end(), channel);
  return { updates, bytes };
}

export interface Observed {
  began(taskId: string): void;
  /** A write of this many bytes was given to a connection. */
  given(taskId: string, bytes: number): void;
  ended(taskId: string): void;
  wrong(what: string): void;
}

/** The handler of the agent. `sleep` takes ms of the simulated clock. */
export function createHandler({ began, given, ended, wrong }: Observed, sleep: (ms: number) => Promise<void>): Handler {
  const finish = (work: Work): { output: string; exitCode: number } => {
    if (work.ending === 'throws') throw new Error('as planned');
    return { output: resultOf(work), exitCode: work.ending === 'fails' ? EXIT_CODE : 0 };
  };
  return (request, context) => {
    const { taskId } = context;
    began(taskId);
    if (request.command === 'size') {
      ended(taskId);
      return String(request.input?.length);
    }
    const work = JSON.parse(request.args[0]!) as Work;
    const input = inputOf(work);
    if (input === undefined ? request.input !== undefined : !input.equals(request.input ?? Buffer.from('none')))
      wrong(`${taskId} was given another input`);
    if (work.isPrompt && work.ending !== 'waits') {
      ended(taskId);
      return finish(work);
    }
    const run = async () => {
      const { fraction } = seededRandom(work.seed + 1);
      for (const { output, channel } of writesOf(work)) {
        if (work.pause > 0) await sleep(fraction() * work.pause);
        if (context.signal.aborted) return 'aborted';
        const written = context.write(output, { channel }).then(() => given(taskId, Buffer.byteLength(output)));
        if (work.isAwaited) await written;
      }
      if (work.ending === 'waits' && !context.signal.aborted)
        await new Promise<void>(resolve => context.signal.addEventListener('abort', () => resolve(), { once: true }));
      return context.signal.aborted ? 'aborted' : finish(work);
    };
    return run().finally(() => ended(taskId));
  };
}
