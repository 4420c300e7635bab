// The readers of an execution in a dialogue. Each one judges what it gets: every byte once and in order, and a gap only where it
// came too late.
import type { Execution, ExecutionUpdate } from '../../src/index.ts';
import { bounds } from '../../src/limits.ts';
import type { updatesOf } from './dialogue-work.ts';

export interface ReaderPlan {
  readonly kind: 'observer' | 'iterator';
  /** When it opens, in ms after the request. 0: with it. */
  readonly opens: number;
  /** Up to this time between two updates of an iterator, in ms. */
  readonly pause: number;
  /** An iterator waits once for this time, in ms. */
  readonly stall: number;
  /** It leaves after so many updates. */
  readonly leaves: number;
}

export function drawReader({ fraction }: { fraction(): number }): ReaderPlan {
  const upTo = (count: number): number => Math.floor(fraction() * count);
  return {
    kind: fraction() < 0.4 ? 'observer' : 'iterator',
    opens: fraction() < 0.6 ? 0 : upTo(5_000),
    pause: fraction() < 0.5 ? 0 : upTo(200),
    stall: fraction() < 0.7 ? 0 : upTo(20_000),
    leaves: fraction() < 0.8 ? Number.POSITIVE_INFINITY : upTo(20),
  };
}

export interface Reader {
  readonly plan: ReaderPlan;
  /** Bytes of output that it was told of. */
  readonly at: number;
  /** It holds back output that it has not read. */
  readonly holds: boolean;
  readonly isOver: boolean;
  /** The execution has settled with a result of the agent, or with an error of the host. */
  judgeEnd(isWhole: boolean): void;
}

/** As the log of the updates measures them. */
const UPDATE_COST = 64;

export function openReader(
  execution: Execution<string | Buffer>,
  plan: ReaderPlan,
  { updates, bytes }: ReturnType<typeof updatesOf>,
  { sleep, random, wrong }: { sleep: (ms: number) => Promise<void>; random: { fraction(): number }; wrong: (what: string) => void },
): Reader {
  const state = { at: 0, isOpen: false, isOver: false, hasLeft: false, started: 0, terminal: 0, count: 0, gaps: 0 };
  const complain = (what: string): void => wrong(`${execution.taskId}: a reader ${JSON.stringify(plan)} ${what}`);
  const take = ({ status, output, channel, gap }: ExecutionUpdate<string | Buffer>): void => {
    state.count += 1;
    if (state.terminal > 0) complain('got an update behind the last one');
    if (status === 'started') {
      state.started += 1;
      if (state.started > 1 || state.count > 1) complain('got a start that is not the first update');
    } else if (status !== 'running') {
      state.terminal += 1;
      if (status === 'completed' && state.at !== bytes) complain(`got ${state.at} of ${bytes} bytes before the end`);
    } else if (gap !== undefined) {
      state.gaps += 1;
      const isLate = plan.opens > 0 && bytes + updates.size * 2 * UPDATE_COST > bounds.keptUpdates;
      if (!isLate || state.gaps > 1 || gap.from !== 0 || state.at !== 0 || gap.to > bytes) complain(`got the gap ${gap.from} to ${gap.to}`);
      state.at = gap.to;
    } else {
      const got = Buffer.from(output as string);
      if (got.length === 0) return;
      const expected = updates.get(state.at);
      if (expected === undefined || !expected.output.equals(got) || expected.channel !== channel)
        complain(`got ${got.length} wrong bytes at ${state.at} on ${channel}`);
      state.at += got.length;
    }
  };

  const observe = (): void => {
    const subscription = execution.updates$.subscribe({
      next(update) {
        if (state.hasLeft) return;
        take(update);
        state.hasLeft = state.count > plan.leaves;
        if (state.hasLeft) process.nextTick(() => subscription.unsubscribe());
      },
      complete: () => (state.isOver = true),
    });
    subscription.add(() => (state.isOver = true));
  };
  const iterate = async (): Promise<void> => {
    const iterator = execution[Symbol.asyncIterator]();
    state.isOpen = true;
    const stallsAt = plan.stall > 0 ? Math.floor(random.fraction() * 10) : -1;
    try {
      for (;;) {
        if (state.count === stallsAt) await sleep(plan.stall);
        else if (plan.pause > 0) await sleep(random.fraction() * plan.pause);
        if (state.count >= plan.leaves) {
          state.hasLeft = true;
          await iterator.return!();
          break;
        }
        const { done, value } = await iterator.next();
        if (done) break;
        take(value);
      }
    } catch {
      // The failure of the execution, behind its last update.
    }
    state.isOpen = false;
    state.isOver = true;
  };
  const open = (): void => (plan.kind === 'observer' ? observe() : void iterate());
  if (plan.opens === 0) open();
  else void sleep(plan.opens).then(open);

  return {
    plan,
    get at() {
      return state.at;
    },
    get holds() {
      return state.isOpen;
    },
    get isOver() {
      return state.isOver;
    },
    judgeEnd(isWhole) {
      if (state.hasLeft) return;
      if (state.terminal !== 1) complain(`got ${state.terminal} last updates`);
      if (isWhole && state.at !== bytes) complain(`got ${state.at} of ${bytes} bytes`);
    },
  };
}
