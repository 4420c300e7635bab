// The executions of a dialogue: drawn, begun at their time, cancelled at theirs, and judged by what they settle with.
import type { Execution, ExecutionResult, Instance, SpearletError } from '../../src/index.ts';
import { bounds } from '../../src/limits.ts';
import type { HandClock } from '../world/clock.ts';
import type { Density } from './dialogue-breaks.ts';
import { drawReader, openReader, type Reader, type ReaderPlan } from './dialogue-reader.ts';
import { drawWork, EXIT_CODE, inputOf, resultOf, updatesOf, type Work } from './dialogue-work.ts';

export interface Request {
  /** When it begins, in ms after the first session. Null: when an earlier one is over. */
  readonly at: number | null;
  readonly work: Work;
  readonly options: {
    readonly collect: boolean;
    readonly encoding: 'utf8' | 'buffer';
    readonly reject: boolean;
    readonly timeout?: number;
  };
  readonly taskId: string | null;
  /** When it is cancelled, in ms after its beginning. Null: never. */
  readonly cancelled: number | null;
  readonly isCancelledBySignal: boolean;
  /** Characters of a second argument. */
  readonly padding: number;
  readonly readers: readonly ReaderPlan[];
}

export interface Dialogue {
  readonly requests: readonly Request[];
  /** When data are sent that belong to no request. */
  readonly signals: readonly number[];
}

/** All requests begin within one of these times, in ms. Those of a heavy dialogue fill the queue of the agent together. */
const WITHIN = { wide: [0, 1_000, 20_000], dense: [0, 1_000, 20_000], heavy: [0, 100, 1_000] } as const;
const MAX_REQUESTS = { wide: 12, dense: 120, heavy: 24 } as const;
const SIZES = { wide: 'any', dense: 'small', heavy: 'large' } as const;
/** Of a dense dialogue, at once. */
const ABREAST = 4;
/** An input that takes several pieces, in bytes. */
const LARGE = 100_000;
/** What an open iterator lets the agent send beyond what was read: pieces that were begun with the last credit; */
const AHEAD = 3 * bounds.outputPiece;
/** and its window, which doubles with each half of it that was read. */
const windowAt = (read: number): number => Math.min(bounds.largestWindow, bounds.window + 4 * read);

export function drawDialogue(density: Density, random: { fraction(): number }): Dialogue {
  const { fraction } = random;
  const upTo = (count: number): number => Math.floor(fraction() * count);
  const one = <T>(list: readonly T[]): T => list[upTo(list.length)]!;
  const within = one<number>(WITHIN[density]);
  const draw = (n: number): Request => {
    const work = drawWork(random, SIZES[density]);
    // Of a large request the agent often has only the beginning when it is cancelled.
    const isLarge = (work.input ?? 0) >= LARGE;
    const isCancelled = fraction() < (isLarge ? 0.5 : 0.2) || work.ending === 'waits';
    const hasTimeout = fraction() < (work.ending === 'waits' ? 0.5 : 0.15);
    return {
      at: density === 'dense' && n >= ABREAST ? null : upTo(within),
      work,
      options: {
        collect: fraction() < 0.3,
        encoding: one(['utf8', 'buffer']),
        reject: fraction() < 0.7,
        ...(hasTimeout ? { timeout: 1 + upTo(one([50, 2_000, 20_000])) } : {}),
      },
      taskId: fraction() < 0.2 ? `named/${n}` : null,
      cancelled: isCancelled ? upTo(one(isLarge ? [3, 10, 20, 500] : [1, 20, 500, density === 'dense' ? 2_000 : 20_000])) : null,
      isCancelledBySignal: fraction() < 0.3,
      padding: density === 'dense' ? 0 : one([0, 0, 0, 1_000, 100_000]),
      readers: Array.from({ length: one([0, 1, 1, 2]) }, () => drawReader(random)),
    };
  };
  return {
    requests: Array.from({ length: 1 + upTo(MAX_REQUESTS[density]) }, (_, n) => draw(n)),
    signals: Array.from({ length: upTo(5) }, () => upTo(within)).sort((a, b) => a - b),
  };
}

/** The times of the simulated clock are no whole numbers. */
const ROUNDING = 1e-6;

interface Begun {
  readonly request: Request;
  readonly execution: Execution<string | Buffer>;
  readonly began: number;
  readonly readers: Reader[];
  given: number;
  isCancelled: boolean;
  isSettled: boolean;
  isJudged: boolean;
}

interface Deps {
  readonly clock: HandClock;
  readonly after: (ms: number, run: () => void) => void;
  readonly random: { fraction(): number };
  readonly sleep: (ms: number) => Promise<void>;
  readonly say: (what: string, details?: object) => void;
  readonly wrong: (what: string) => void;
  /** How often the handler was called, by task id. */
  readonly calls: ReadonlyMap<string, number>;
}

export function runDialogue(dialogue: Dialogue, { clock, after, random, sleep, say, wrong, calls }: Deps) {
  let instance: Instance | null = null;
  const later = dialogue.requests.filter(({ at }) => at === null);
  let unsettled = 0;
  const all = new Map<string, Begun>();
  const outcomes: Record<string, number> = {};
  let tried = 0;
  const accepted: string[] = [];
  const arrived: string[] = [];

  const judgeResult = ({ request, execution }: Begun, { status, output, stderr, error, exitCode, truncatedBytes }: Settled): void => {
    const { work, options } = request;
    const own = work.ending === 'throws' ? null : resultOf(work);
    const { updates } = updatesOf(work, options.encoding);
    const collected = (channel: 'stdout' | 'stderr'): Buffer[] =>
      options.collect ? [...updates.values()].filter(each => each.channel === channel).map(each => each.output) : [];
    const [parts, errors] = [collected('stdout'), collected('stderr')];
    const whole = own === null && parts.length === 0 ? null : Buffer.concat([...parts, Buffer.from(own ?? '')]);
    const wholeStderr = errors.length === 0 ? null : Buffer.concat(errors);
    const isSame = (expected: Buffer | null, got: string | Buffer | null): boolean =>
      expected === null ? got === null : got !== null && expected.equals(Buffer.from(got as string));
    const isRight =
      status === (work.ending === 'completes' ? 'completed' : 'failed') &&
      exitCode === (work.ending === 'completes' ? 0 : work.ending === 'throws' ? 1 : EXIT_CODE) &&
      (work.ending === 'throws' ? error === 'as planned' : error === null) &&
      isSame(whole, output) &&
      isSame(wholeStderr, stderr) &&
      (output === null || Buffer.isBuffer(output) === (options.encoding === 'buffer')) &&
      truncatedBytes === 0;
    if (!isRight) {
      const got = { status, output: output === null ? null : output.length, error, exitCode, truncatedBytes };
      wrong(`${execution.taskId} has a wrong result ${JSON.stringify(got)} of ${JSON.stringify(request)}`);
    }
    if (calls.get(execution.taskId) !== 1) wrong(`${execution.taskId} has a result and was executed ${calls.get(execution.taskId)} times`);
  };

  const settled = (begun: Begun, outcome: string, result: Settled | null): void => {
    const { request, execution, began, isCancelled } = begun;
    begun.isSettled = true;
    unsettled -= 1;
    const next = later.shift();
    if (next !== undefined) begin(next);
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    say(`${execution.taskId} has settled: ${outcome}`);
    const { timeout } = request.options;
    if (isCancelled && outcome !== 'CANCELLED') wrong(`${execution.taskId} was cancelled and ended with ${outcome}`);
    else if (result !== null) judgeResult(begun, result);
    else if (outcome === 'EXECUTION_TIMEOUT' && timeout !== undefined && clock.now() - began >= timeout - ROUNDING) return;
    else if (outcome !== 'CANCELLED' || !isCancelled) wrong(`${execution.taskId} ended with ${outcome}`);
  };

  const begin = (request: Request): void => {
    unsettled += 1;
    const { work, options, taskId, cancelled, isCancelledBySignal, padding } = request;
    const input = inputOf(work);
    const abort = isCancelledBySignal && cancelled !== null ? new AbortController() : null;
    const execution = instance!.execute(
      {
        command: 'work',
        args: [JSON.stringify(work), 'x'.repeat(padding)],
        ...(taskId === null ? {} : { taskId }),
        ...(input === undefined ? {} : { input }),
      },
      { ...options, ...(abort === null ? {} : { signal: abort.signal }) } as never,
    ) as Execution<string | Buffer>;
    say(`${execution.taskId} begins`, request);
    const expected = updatesOf(work, options.encoding);
    const readers = request.readers.map(plan => openReader(execution, plan, expected, { sleep, random, wrong }));
    const begun: Begun = {
      request,
      execution,
      began: clock.now(),
      readers,
      given: 0,
      isCancelled: false,
      isSettled: false,
      isJudged: false,
    };
    all.set(execution.taskId, begun);
    execution.result.then(
      result => settled(begun, result.status, result),
      (error: SpearletError) => {
        if (error.code !== 'EXECUTION_FAILED') return settled(begun, error.code, null);
        const { output = null, stderr = null, exitCode = null, truncatedBytes = 0 } = error as unknown as Settled;
        settled(begun, error.code, {
          status: 'failed',
          output,
          stderr,
          error: work.ending === 'throws' ? 'as planned' : null,
          exitCode,
          truncatedBytes,
          duration: 0,
        });
      },
    );
    if (cancelled === null) return;
    after(cancelled, () => {
      if (!begun.isSettled) {
        say(`${execution.taskId} is cancelled`);
        begun.isCancelled = true;
      }
      if (abort === null) execution.cancel('as planned');
      else abort.abort();
    });
  };

  const judgeReaders = (begun: Begun): boolean => {
    if (begun.isJudged) return true;
    if (!begun.isSettled || begun.readers.some(({ isOver }) => !isOver)) return false;
    begun.isJudged = true;
    const isWhole = begun.execution !== null && !begun.isCancelled && calls.get(begun.execution.taskId) === 1;
    for (const reader of begun.readers) reader.judgeEnd(isWhole && begun.request.options.timeout === undefined);
    return true;
  };

  return {
    outcomes,
    /** Executions that have not settled. */
    get unsettled(): number {
      return unsettled;
    },
    begin(ready: Instance): void {
      instance = ready;
      for (const request of dialogue.requests) if (request.at !== null) after(request.at, () => begin(request));
      for (const [n, at] of dialogue.signals.entries())
        after(at, () => {
          tried += 1;
          try {
            ready.send(`signal ${n}`);
            accepted.push(`signal ${n}`);
          } catch (thrown) {
            if ((thrown as SpearletError).code !== 'NOT_DELIVERED') wrong(`send() threw ${String(thrown)}`);
          }
        });
    },
    signalled: (data: string): void => void arrived.push(data),
    /** A write of the agent was given to a connection. */
    given(taskId: string, bytes: number): void {
      const begun = all.get(taskId);
      if (begun === undefined) return;
      begun.given += bytes;
      if (begun.isSettled || !begun.request.work.isAwaited) return;
      for (const { plan, holds, at } of begun.readers)
        if (plan.opens === 0 && holds && begun.given > at + AHEAD + windowAt(at))
          wrong(`the agent sent ${begun.given} bytes of ${taskId}, of which ${at} are read`);
    },
    get isOver(): boolean {
      const isBegun = all.size === dialogue.requests.length && tried === dialogue.signals.length;
      if (!isBegun || unsettled > 0) return false;
      return [...all.values()].every(judgeReaders);
    },
    get readBytes(): number {
      return [...all.values()].reduce((sum, { readers }) => readers.reduce((bytes, { at }) => bytes + at, sum), 0);
    },
    describe(): string {
      const open = [...all.values()].filter(each => !each.isJudged);
      return open
        .map(
          ({ execution, isSettled, readers }) => `${execution.taskId} ${isSettled ? `reader at ${readers.map(({ at }) => at)}` : 'runs'}`,
        )
        .join();
    },
    judge(): void {
      if (arrived.join() !== accepted.join()) wrong(`the signals ${accepted.join()} arrived as ${arrived.join()}`);
    },
  };
}

type Settled = Omit<ExecutionResult<string | Buffer>, 'taskId'>;
