// The executions of one instance by their request ids, and the connection that they go out by. Requests and responses pass
// here without touching a chart; the chart learns only that the instance has become active or idle.
import type { FramedChannel } from '../connection/framed-channel.ts';
import { type ErrorCode, reasonOf, SpearletError } from '../errors.ts';
import {
  defaultExecuteOptions,
  type ExecuteOptions,
  type ExecuteRequestInput,
  executeOptionsSchema,
  type ParsedExecuteOptions,
  type ParsedOptions,
  type ParsedRequest,
  requestSchema,
} from '../options.ts';
import { parse } from '../parse.ts';
import type { SpearMessage, U64 } from '../protocol/message.ts';
import { decodeExecuteResponse, encodeSignal } from '../protocol/v1/messages.ts';
import { onAbort } from './abort.ts';
import { createActivity } from './activity.ts';
import { createCancelWatch } from './cancel-watch.ts';
import { type ExecutionCounts, newCounts } from './counts.ts';
import type { Deadlines } from './deadlines.ts';
import { checkSize, encodeRequest, WIRE_FACTOR } from './encode.ts';
import { ActiveExecution, type Execution, type ExecutionOwner } from './execution.ts';
import { createPendingResponses } from './pending-responses.ts';
import { refusedExecution } from './refused.ts';

export interface RequestTable {
  readonly inFlight: number;
  readonly counts: ExecutionCounts;
  execute(request: ExecuteRequestInput, options?: ExecuteOptions): Execution;
  /** Tells the agent something that is not an execution. Throws NOT_DELIVERED without a session. */
  signal(data: string): void;
  answer(message: SpearMessage): void;
  /** A session is open: what waited goes out. */
  attach(link: FramedChannel): void;
  /** The session is lost, for this cause: what was sent waits for an answer on the next one. */
  detach(cause: SpearletError | undefined): void;
  /** The program is gone: what it was given has an unknown outcome. */
  incarnationEnded(why: string, cause: unknown): void;
  /** No new execution is taken; those in flight may still be answered. */
  close(why: string, cause: unknown): void;
  /** Nothing is sent or answered any more: what is left settles. */
  end(): void;
}

export interface RequestTableOwner {
  readonly instanceId: string;
  readonly artifactId: string;
  readonly timeout: number | undefined;
  readonly options: Pick<ParsedOptions, 'maxInFlight' | 'maxQueuedBytes' | 'maxFrameBytes' | 'grace'>;
  readonly deadlines: Deadlines;
  /** How long an execution waits for an answer after its connection was lost, in ms. */
  readonly reconnectWindow: number;
  work(happened: 'begun' | 'finished'): void;
  /** The agent was told to cancel it, and does not answer. */
  unanswered(taskId: string): void;
  /** A subscriber of `updates$` has thrown. */
  subscriberThrew(error: unknown): void;
}

export function createRequestTable(owner: RequestTableOwner): RequestTable {
  const { instanceId, artifactId, options, deadlines } = owner;
  const ids = { instanceId, artifactId };
  const executions = new Map<U64, ActiveExecution>();
  const namedTasks = new Set<string>();
  const throttling = new Set<ActiveExecution>();
  const counts = newCounts();
  let nextId = 1;
  let link: FramedChannel | null = null;
  /** Why the last connection was lost. */
  let loss: SpearletError | undefined;
  /** Payloads that wait for a session, in UTF-16 units. */
  let waitingSize = 0;
  let closed: { why: string; cause: unknown } | null = null;

  const activity = createActivity(deadlines, () => executions.size, owner.work);

  const fault = ({ taskId }: Execution, code: ErrorCode, message: string, cause?: unknown): SpearletError =>
    new SpearletError(code, message, { ...ids, taskId, cause });

  const isPaused = (): boolean => throttling.size > 0 && link !== null;
  /** Those that were sent on a connection that is lost: an agent that comes back and has them says so. */
  const recovering = createPendingResponses<ActiveExecution, null>({
    deadlines,
    within: owner.reconnectWindow,
    isPaused,
    overdue: each =>
      each.end('lost', fault(each, 'OUTCOME_UNKNOWN', 'the link was lost and no answer came within the reconnect window', loss)),
  });
  const cancels = createCancelWatch({ deadlines, options, counts, isPaused, unanswered: owner.unanswered });

  /** Ends an execution from our side, and tells the agent where it has heard of it. */
  const abandon = (execution: ActiveExecution, event: 'cancel' | 'deadline', error: SpearletError): void => {
    const isSent = execution.phase !== 'waiting';
    if (!isSent) link?.remove(execution);
    if (execution.end(event, error) && isSent && link !== null) cancels.send(link, execution.requestId, execution.taskId);
  };

  const self: ExecutionOwner = {
    ids,
    settled(execution) {
      executions.delete(execution.requestId);
      if (namedTasks.size > 0) namedTasks.delete(execution.taskId);
      if (link === null && execution.payload !== null) waitingSize -= execution.payload.length;
      if (throttling.size > 0) self.throttle(execution, false);
      recovering.settle(execution);
      if (executions.size === 0) activity.idle();
    },
    cancel(execution, reason, cause) {
      abandon(execution, 'cancel', fault(execution, 'CANCELLED', `the execution was cancelled: ${reasonOf(reason)}`, cause));
    },
    timedOut(execution) {
      const limit = execution.timeout ?? owner.timeout;
      abandon(execution, 'deadline', fault(execution, 'EXECUTION_TIMEOUT', `the execution did not end within ${limit} ms`));
    },
    throttle(execution, on) {
      if (on) throttling.add(execution);
      else throttling.delete(execution);
      if (throttling.size > 0) link?.hold();
      else link?.release();
    },
    subscriberThrew: owner.subscriberThrew,
  };

  /** Throws OVERLOADED. What waits counts as requests and not as frames: wire v1 needs up to 4 characters for a byte. */
  const checkRoom = (size: number): void => {
    const queued = link === null ? waitingSize : Math.floor(link.pending / WIRE_FACTOR);
    if (queued === 0 || queued + size <= options.maxQueuedBytes) return;
    throw new SpearletError('OVERLOADED', `${queued} bytes are queued, the bound is maxQueuedBytes (${options.maxQueuedBytes})`, ids);
  };

  /** Checks a request against every bound. Throws SpearletError. */
  const admit = (requestId: number, taskId: string, request: ParsedRequest, parsed: ParsedExecuteOptions): ActiveExecution => {
    if (namedTasks.has(taskId)) throw new SpearletError('INVALID_OPTIONS', `the task id '${taskId}' is in flight already`);
    if (closed !== null)
      throw new SpearletError('INSTANCE_STOPPED', `the instance takes no more work: ${closed.why}`, { cause: closed.cause });
    const { signal } = parsed;
    if (signal?.aborted)
      throw new SpearletError('CANCELLED', 'the signal was aborted before the execution began', { cause: signal.reason });
    const inFlight = executions.size;
    if (inFlight >= options.maxInFlight)
      throw new SpearletError('OVERLOADED', `${inFlight} executions are in flight, the bound is maxInFlight (${options.maxInFlight})`);
    const payload = encodeRequest(taskId, request, options.maxFrameBytes);
    checkRoom(payload.length);
    const execution = new ActiveExecution(self, requestId, taskId, payload, parsed);
    const limit = parsed.timeout ?? owner.timeout;
    if (limit !== undefined) execution.deadline = deadlines.add(limit, execution);
    if (signal !== undefined)
      execution.stopWaiting = onAbort(signal, () => self.cancel(execution, 'its signal was aborted', signal.reason));
    return execution;
  };

  return {
    counts,
    get inFlight() {
      return executions.size;
    },

    execute(input, optionsInput) {
      const requestId = nextId++;
      let taskId = `${instanceId}/${requestId}`;
      try {
        const request = parse(requestSchema, input, 'execute()');
        const parsed = optionsInput === undefined ? defaultExecuteOptions : parse(executeOptionsSchema, optionsInput, 'execute() options');
        if (request.taskId !== undefined) taskId = request.taskId;
        const execution = admit(requestId, taskId, request, parsed);
        executions.set(requestId, execution);
        counts.executions += 1;
        if (request.taskId !== undefined) namedTasks.add(taskId);
        if (link === null) waitingSize += execution.payload!.length;
        else link.send('ExecuteRequest', requestId, execution.payload!, execution);
        activity.begin();
        return execution;
      } catch (thrown) {
        return refusedExecution(taskId, ids, thrown);
      }
    },

    signal(data) {
      if (typeof data !== 'string' || !data.isWellFormed()) throw new SpearletError('INVALID_OPTIONS', 'send() takes a text', ids);
      if (link === null) throw new SpearletError('NOT_DELIVERED', 'no agent is connected', ids);
      const payload = encodeSignal({ signal: 'user', data });
      checkSize('the signal', payload, options.maxFrameBytes, ids);
      checkRoom(payload.length);
      link.send('Signal', nextId++, payload);
    },

    answer(message) {
      const response = decodeExecuteResponse(message.payload);
      const { requestId } = message;
      const execution = executions.get(requestId);
      if (execution !== undefined) {
        if (execution.taskId !== response.taskId || execution.phase === 'waiting') counts.foreignAnswers += 1;
        else {
          recovering.settle(execution);
          if (!execution.answer(response)) counts.lateAnswers += 1;
        }
      } else if (requestId >= nextId) counts.foreignAnswers += 1;
      else {
        counts.lateAnswers += 1;
        if (response.status === 'Started') {
          if (link !== null) cancels.started(link, requestId, response.taskId);
        } else if (response.status !== 'Running') cancels.responded(requestId);
      }
    },

    attach(opened) {
      link = opened;
      waitingSize = 0;
      for (const each of executions.values()) if (each.payload !== null) link.send('ExecuteRequest', each.requestId, each.payload, each);
      if (throttling.size > 0) link.hold();
      activity.reset();
    },

    detach(cause) {
      // Whoever was there is gone: the rest of what it said is all there will be, and bounded by what the system holds.
      link?.release();
      cancels.clear();
      for (const each of executions.values()) if (each.payload !== null) link?.remove(each);
      link = null;
      loss = cause;
      // What was not written goes out on the next link.
      waitingSize = 0;
      for (const each of [...executions.values()]) {
        if (each.payload === null) recovering.expect(each, null);
        else waitingSize += each.payload.length;
      }
    },

    incarnationEnded(why, cause) {
      cancels.clear();
      for (const each of [...executions.values()])
        if (each.phase !== 'waiting') each.end('lost', fault(each, 'OUTCOME_UNKNOWN', `no answer will come: ${why}`, cause));
    },

    close(why, cause) {
      closed = { why, cause };
    },

    end() {
      activity.close();
      cancels.clear();
      for (const each of [...executions.values()]) {
        const code = each.phase === 'waiting' ? 'NOT_DELIVERED' : 'OUTCOME_UNKNOWN';
        each.end('lost', fault(each, code, `no answer will come: ${closed?.why ?? 'the instance ended'}`, closed?.cause));
      }
    },
  };
}
