// One execution of a pool, from the caller's side: it may wait for a member, run on one, and run again on another. Each run is an
// execution of the member's instance, whose updates it passes on. It decides no retry.
import { Observable, type Subscriber } from 'rxjs';
import { rejectionOf, type SpearletError } from '../errors.ts';
import type { ActiveExecution } from '../execution/active-execution.ts';
import { cancelOnReturn } from '../execution/cancel-on-return.ts';
import type { OutputData } from '../execution/collected.ts';
import type { Execution, ExecutionResult } from '../execution/execution.ts';
import type { ExecutionUpdate } from '../execution/update.ts';
import { isolated } from '../observe/isolated.ts';
import type { ParsedRequest } from '../option-schemas.ts';
import type { Deadline, Expiring } from '../world/deadlines.ts';
import type { ParsedPoolExecuteOptions } from './option-schemas.ts';
import type { Queued } from './queue.ts';
import { iterateRuns } from './runs.ts';

type Update = ExecutionUpdate<OutputData>;
type Result = ExecutionResult<OutputData>;

/** The work of a pool, as one of its executions sees it. */
export interface PoolExecutionOwner {
  cancel(execution: PoolExecution, reason: string, cause?: unknown): void;
  timedOut(execution: PoolExecution): void;
  subscriberThrew(error: unknown): void;
}

export class PoolExecution implements Execution<OutputData>, Expiring, Queued {
  readonly taskId: string;
  readonly request: ParsedRequest;
  readonly options: ParsedPoolExecuteOptions;
  /** 0 until it waits. */
  size = 0;
  /** In ms of the monotonic clock. */
  readonly acceptedAt: number;
  readonly result: Promise<Result>;
  readonly #owner: PoolExecutionOwner;
  #resolve!: (result: Result | Promise<never>) => void;
  /** Wakes those who wait for the next run, or for the end. */
  #wakes: (() => void)[] = [];
  /** The run on a member; null while it waits for one. */
  run: ActiveExecution | null = null;
  runs = 0;
  startedAt = 0;
  isCancelled = false;
  isSettled = false;
  /** Why it has ended without a response of its last run. */
  failure: SpearletError | null = null;
  deadline: Deadline | null = null;
  stopWaiting: (() => void) | null = null;
  next: this | null = null;
  previous: this | null = null;
  isQueued = false;

  constructor(owner: PoolExecutionOwner, taskId: string, request: ParsedRequest, options: ParsedPoolExecuteOptions, acceptedAt: number) {
    this.#owner = owner;
    this.taskId = taskId;
    // The members call it by the same task id.
    this.request = request.taskId === undefined ? { ...request, taskId } : request;
    this.options = options;
    this.acceptedAt = acceptedAt;
    this.result = new Promise<Result>(resolve => {
      this.#resolve = resolve;
    });
  }

  get updates$(): Observable<Update> {
    return isolated(new Observable<Update>(subscriber => this.#follow(subscriber)), this.#owner.subscriberThrew);
  }

  [Symbol.asyncIterator](): AsyncIterator<Update, undefined> {
    const reading = iterateRuns(this);
    return this.options.cancelOnReturn ? cancelOnReturn(reading, () => this.cancel('its reader has left')) : reading;
  }

  cancel(reason = 'cancelled by the caller'): void {
    this.#owner.cancel(this, reason);
  }

  // From here on: for the pool.

  expire(): void {
    this.#owner.timedOut(this);
  }

  begin(run: ActiveExecution, now: number): void {
    this.run = run;
    this.runs += 1;
    this.startedAt = now;
    this.#wake();
  }

  complete(result: Result): void {
    this.#end();
    this.#resolve(result);
  }

  /** `isOwn`: the pool has ended it; the last run knows nothing of this failure. */
  fail(error: SpearletError, isOwn: boolean): void {
    if (isOwn) this.failure = error;
    this.#end();
    this.#resolve(rejectionOf(error, this.result));
  }

  /** Resolves with the run after `last`, or with null when the execution has ended and no such run exists. */
  async following(last: ActiveExecution | null): Promise<ActiveExecution | null> {
    while (this.run === last || this.run === null) {
      if (this.isSettled) return null;
      await new Promise<void>(resolve => this.#wakes.push(resolve));
    }
    return this.run;
  }

  /** The last update of an execution that the pool has ended. */
  lastUpdate(): Update {
    return { taskId: this.taskId, status: 'failed', error: this.failure!.message };
  }

  #end(): void {
    this.isSettled = true;
    this.deadline?.cancel();
    this.stopWaiting?.();
    this.deadline = null;
    this.stopWaiting = null;
    this.#wake();
  }

  #wake(): void {
    if (this.#wakes.length > 0) for (const wake of this.#wakes.splice(0)) wake();
  }

  /** Passes the updates of every run to a subscriber. The last update of a run that is retried is not passed on. */
  #follow(subscriber: Subscriber<Update>): () => void {
    let isGone = false;
    let leave = (): void => {};
    const end = (update: Update): void => {
      subscriber.next(this.failure === null ? update : this.lastUpdate());
      subscriber.complete();
    };
    const follow = (run: ActiveExecution): void => {
      let failed: Update | null = null;
      const reading = run.updates$.subscribe({
        next(update) {
          if (update.status === 'failed') failed = update;
          else subscriber.next(update);
        },
        complete: () => {
          if (failed === null) return subscriber.complete();
          const last = failed;
          void this.following(run).then(next => isGone || (next === null ? end(last) : follow(next)));
        },
      });
      leave = () => reading.unsubscribe();
    };
    if (this.run !== null) follow(this.run);
    else void this.following(null).then(first => isGone || (first === null ? end(this.lastUpdate()) : follow(first)));
    return () => {
      isGone = true;
      leave();
    };
  }
}
