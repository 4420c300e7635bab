// The executions of a pool: each waits in the queue or runs on a member, and settles once. It gives every execution to the
// dispatcher's choice, and touches no chart while the load stays within what was last reported to the chart.
import { reasonOf, SpearletError } from '../errors.ts';
import { onAbort } from '../execution/abort.ts';
import type { ActiveExecution } from '../execution/active-execution.ts';
import type { OutputData } from '../execution/collected.ts';
import type { Execution, ExecutionResult } from '../execution/execution.ts';
import { refusedExecution } from '../execution/refused.ts';
import { attached, parseRequest, requestSize } from '../execution/request.ts';
import { bounds } from '../limits.ts';
import type { ExecuteRequestInput, ParsedRequest } from '../option-schemas.ts';
import { parse } from '../parse.ts';
import type { Deadlines } from '../world/deadlines.ts';
import type { Member, Members } from './members.ts';
import { defaultPoolExecuteOptions, type PoolExecuteOptions, poolExecuteOptionsSchema } from './option-schemas.ts';
import type { WorkCounts } from './pool.ts';
import { PoolExecution, type PoolExecutionOwner } from './pool-execution.ts';
import { createQueue } from './queue.ts';
import { createTimes, type Times } from './times.ts';

export interface PoolExecutions {
  readonly waiting: number;
  readonly running: number;
  readonly counts: WorkCounts;
  waitTime(): Times;
  runTime(): Times;
  execute(request: ExecuteRequestInput, options?: PoolExecuteOptions): Execution<OutputData>;
  /** Gives executions that wait to members that are free. */
  dispatch(): void;
  /** No execution is taken any more; `cause` is why, where a failure is the reason. Calls `ended` when none is left. */
  close(cause: SpearletError | null): void;
  /** Refuses the executions that wait. Those that run are not retried. */
  end(): void;
}

export interface PoolExecutionsDeps {
  readonly poolId: string;
  readonly artifactId: string;
  /** The longest time of an execution, in ms, where it has no timeout of its own. */
  readonly timeout: number | undefined;
  /** Executions that may wait. */
  readonly queue: number;
  readonly maxQueuedBytes: number;
  readonly deadlines: Deadlines;
  members(): Members;
  /** No execution is taken any more, and none is left. */
  ended(): void;
  subscriberThrew(error: unknown): void;
}

export function createPoolExecutions(deps: PoolExecutionsDeps): PoolExecutions {
  const { poolId, artifactId, deadlines, maxQueuedBytes } = deps;
  const ids = { poolId, artifactId };
  const queue = createQueue<PoolExecution>();
  /** Executions whose task id the caller has chosen. */
  const named = new Map<string, { execution: PoolExecution; request: ParsedRequest; encoding: string }>();
  const counts: WorkCounts = { executions: 0, completed: 0, failed: 0, refused: 0, retries: 0 };
  const [waitTimes, runTimes] = [createTimes(), createTimes()];
  let taken = 0;
  let running = 0;
  let closed: { cause: SpearletError | null } | null = null;
  let isOver = false;

  const settle = (execution: PoolExecution): void => {
    if (named.size > 0) named.delete(execution.taskId);
    if (closed !== null && running === 0 && queue.length === 0) deps.ended();
  };
  /** Ends an execution that waits. */
  const refuse = (execution: PoolExecution, error: SpearletError): void => {
    queue.remove(execution);
    counts.failed += 1;
    execution.fail(error, true);
    settle(execution);
  };
  const limitOf = ({ options }: PoolExecution): number | undefined => options.timeout ?? deps.timeout;

  const self: PoolExecutionOwner = {
    cancel(execution, reason, cause) {
      if (execution.isSettled) return;
      execution.isCancelled = true;
      const { taskId } = execution;
      if (execution.run !== null) execution.run.cancel(reason);
      else refuse(execution, new SpearletError('CANCELLED', `the execution was cancelled: ${reasonOf(reason)}`, { ...ids, taskId, cause }));
    },
    timedOut(execution) {
      if (execution.run !== null) return execution.run.expire();
      const message = `the execution waited for a free member, and did not end within ${limitOf(execution)} ms`;
      refuse(execution, new SpearletError('EXECUTION_TIMEOUT', message, { ...ids, taskId: execution.taskId }));
    },
    subscriberThrew: deps.subscriberThrew,
  };

  /** Throws OVERLOADED. One that is retried was within the bounds before. */
  const wait = (execution: PoolExecution, isRetried: boolean): void => {
    execution.size = requestSize(execution.taskId, execution.request);
    if (!isRetried) {
      const isFull = queue.length >= deps.queue;
      if (isFull || (queue.length > 0 && queue.size + execution.size > maxQueuedBytes)) {
        // The pool grows for an execution that it refuses, too: else one without a queue would never have a member.
        deps.members().loadRose(1);
        const bound = isFull ? `queue (${deps.queue})` : `maxQueuedBytes (${maxQueuedBytes})`;
        throw new SpearletError('OVERLOADED', `no member is free, and ${queue.length} executions wait: the bound is ${bound}`);
      }
    }
    queue.add(execution, isRetried);
    const limit = limitOf(execution);
    // From here on the pool watches the time: waiting counts.
    if (limit !== undefined) execution.deadline ??= deadlines.add(Math.max(1, limit - (deadlines.now() - execution.acceptedAt)), execution);
    const { signal } = execution.options;
    if (signal !== undefined)
      execution.stopWaiting = onAbort(signal, () => self.cancel(execution, 'its signal was aborted', signal.reason));
  };

  const mayRetry = ({ options: { retry }, runs, isCancelled }: PoolExecution, { code }: SpearletError): boolean => {
    if (isOver || isCancelled || retry === 'never') return false;
    if (code === 'OUTCOME_UNKNOWN') return retry === 'idempotent' && runs < bounds.poolAttempts;
    return code === 'NOT_DELIVERED' || code === 'INSTANCE_STOPPED';
  };

  /** Its agent works on an execution no more that had ended for its caller. */
  const freed = (member: Member): void => {
    deps.members().freed(member);
    dispatch();
  };
  const runEnded = (
    member: Member,
    execution: PoolExecution,
    result: ExecutionResult<OutputData> | null,
    error: SpearletError | null,
  ): void => {
    running -= 1;
    runTimes.add(deadlines.now() - execution.startedAt);
    const { run } = execution;
    // A member that refuses has ended, or is about to.
    if (error?.code === 'INSTANCE_STOPPED') deps.members().dispatcher.withdraw(member);
    const working = error === null ? null : member.record.requests.working(run!.requestId);
    if (working === null) deps.members().freed(member);
    else void working.then(() => freed(member));
    if (error !== null && mayRetry(execution, error)) {
      counts.retries += 1;
      execution.run = null;
      wait(execution, true);
    } else {
      if (error === null) {
        counts.completed += 1;
        execution.complete(result!);
      } else {
        counts.failed += 1;
        execution.fail(error, false);
      }
      settle(execution);
    }
    dispatch();
  };

  const run = (member: Member, execution: PoolExecution): void => {
    const now = deadlines.now();
    if (execution.runs === 0) waitTimes.add(now - execution.acceptedAt);
    // The run follows the signal now.
    execution.stopWaiting?.();
    execution.stopWaiting = null;
    running += 1;
    const begun: ActiveExecution = member.record.requests.executeParsed(execution.request, execution.options);
    execution.begin(begun, now);
    deps.members().given(member);
    begun.result.then(
      result => runEnded(member, execution, result, null),
      (error: SpearletError) => runEnded(member, execution, null, error),
    );
  };

  const dispatch = (): void => {
    while (queue.length > 0) {
      const member = deps.members().dispatcher.take();
      if (member === null) break;
      run(member, queue.take()!);
    }
    deps.members().loadRose();
  };

  return {
    counts,
    get waiting() {
      return queue.length;
    },
    get running() {
      return running;
    },
    waitTime: waitTimes.times,
    runTime: runTimes.times,

    execute(input, optionsInput) {
      taken += 1;
      let taskId = `${poolId}/${taken}`;
      try {
        const request = parseRequest(input);
        const options =
          optionsInput === undefined ? defaultPoolExecuteOptions : parse(poolExecuteOptionsSchema, optionsInput, 'execute() options');
        if (request.taskId !== undefined) taskId = request.taskId;
        const inFlight = named.get(taskId);
        if (inFlight !== undefined) return attached(inFlight, request, options);
        if (closed !== null)
          throw new SpearletError('POOL_STOPPED', 'the pool takes no more executions', { cause: closed.cause ?? undefined });
        if (options.signal?.aborted)
          throw new SpearletError('CANCELLED', 'the signal was aborted before the execution began', { cause: options.signal.reason });
        const execution = new PoolExecution(self, taskId, request, options, deadlines.now());
        // While executions wait, no member is free.
        const member = queue.length > 0 ? null : deps.members().dispatcher.take();
        if (member === null) wait(execution, false);
        else run(member, execution);
        counts.executions += 1;
        if (request.taskId !== undefined) named.set(taskId, { execution, request, encoding: options.encoding });
        deps.members().loadRose();
        return execution;
      } catch (thrown) {
        if ((thrown as SpearletError).code === 'OVERLOADED') counts.refused += 1;
        return refusedExecution(taskId, ids, thrown);
      }
    },
    dispatch,
    close(cause) {
      closed ??= { cause };
      if (running === 0 && queue.length === 0) deps.ended();
    },
    end() {
      isOver = true;
      const why = closed?.cause == null ? 'the pool was stopped' : `the pool has ended: ${closed.cause.message}`;
      for (let waiting = queue.take(); waiting !== null; waiting = queue.take())
        refuse(waiting, new SpearletError('NOT_DELIVERED', why, { ...ids, taskId: waiting.taskId, cause: closed?.cause ?? undefined }));
    },
  };
}
