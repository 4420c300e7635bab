// Reads an execution of a pool with `for await`: the updates of its runs, one after the other, with the backpressure of each.
import type { ActiveExecution } from '../execution/active-execution.ts';
import type { OutputData } from '../execution/collected.ts';
import type { ExecutionUpdate } from '../execution/update.ts';

type Update = ExecutionUpdate<OutputData>;
type Step = IteratorResult<Update, undefined>;

/** An execution of a pool, as its readers see it. */
export interface Runs {
  readonly run: ActiveExecution | null;
  /** Why the pool has ended it. */
  readonly failure: unknown;
  following(last: ActiveExecution | null): Promise<ActiveExecution | null>;
  lastUpdate(): Update;
}

const DONE: Step = { value: undefined, done: true };

/** The last update of a run that is retried is not passed on. Throws what the result rejects with, after the last update. */
export function iterateRuns(execution: Runs): AsyncIterator<Update, undefined> {
  let reading: AsyncIterator<Update, undefined> | null = null;
  let leave = (): void => {};
  const left = new Promise<null>(resolve => {
    leave = () => resolve(null);
  });

  async function* updates(): AsyncGenerator<Update, undefined> {
    let run = execution.run ?? (await Promise.race([left, execution.following(null)]));
    while (run !== null) {
      let last: Update | null = null;
      let failure: unknown;
      reading = run[Symbol.asyncIterator]();
      try {
        for (let step = await reading.next(); step.done !== true; step = await reading.next()) {
          if (step.value.status === 'failed') last = step.value;
          else yield step.value;
        }
      } catch (error) {
        failure = error;
      }
      if (last === null) return undefined;
      const next = await execution.following(run);
      if (next === null && execution.failure === null) {
        yield last;
        if (failure !== undefined) throw failure;
        return undefined;
      }
      run = next;
    }
    if (execution.failure === null) return undefined;
    yield execution.lastUpdate();
    throw execution.failure;
  }

  const all = updates();
  return {
    next: () => all.next(),
    async return() {
      // A generator would answer only after the pending next().
      leave();
      await reading?.return?.();
      void all.return(undefined);
      return DONE;
    },
  };
}
