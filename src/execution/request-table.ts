// The executions of one instance by their request ids, and the connection that they go out by. Requests and responses pass
// here without touching a chart; the chart learns only that the instance has become active or idle.
import { type ErrorCode, reasonOf, SpearletError } from '../errors.ts';
import { bounds } from '../limits.ts';
import type { ParsedExecuteOptions, ParsedRequest } from '../option-schemas.ts';
import { defaultTaskId, type U64 } from '../protocol/message.ts';
import { onAbort } from './abort.ts';
import { ActiveExecution, type ExecutionOwner } from './active-execution.ts';
import { createActivity } from './activity.ts';
import { createBudget } from './budget.ts';
import { createCancelWatch } from './cancel-watch.ts';
import { newCounts } from './counts.ts';
import { watchIdle } from './idle-watch.ts';
import { createPendingResponses } from './pending-responses.ts';
import { refusedExecution } from './refused.ts';
import { attached, checkSize, parseOptions, parseRequest, requestSize } from './request.ts';
import { RequestSender } from './request-sender.ts';
import type { RequestTable, RequestTableOwner } from './requests.ts';

export function createRequestTable(owner: RequestTableOwner): RequestTable {
  const { instanceId, artifactId, options, deadlines } = owner;
  const ids = { instanceId, artifactId };
  const executions = new Map<U64, ActiveExecution>();
  /** Executions whose task id the caller has chosen, with what was asked for. */
  let namedTasks: Map<string, { execution: ActiveExecution; request: ParsedRequest; encoding: string }> | null = null;
  /** Those that hold the channel back. Most instances have neither, so both are made when needed. */
  let throttling: Set<ActiveExecution> | null = null;
  const isThrottled = (): boolean => throttling !== null && throttling.size > 0;
  const counts = newCounts();
  let nextId = 1;
  let loss: SpearletError | undefined;
  const sender = new RequestSender(options, owner.maxConcurrency, ids);
  let isConnected = false;
  let closed: { why: string; cause: unknown } | null = null;

  const activity = createActivity(deadlines, () => executions.size, owner.activity);
  const fault = ({ taskId }: ActiveExecution, code: ErrorCode, message: string, cause?: unknown): SpearletError =>
    new SpearletError(code, message, { ...ids, taskId, cause });

  const isPaused = (): boolean => sender.channel !== null && (isThrottled() || !isConnected);
  /** Executions that were sent on a lost connection: an agent that reconnects sends Started or the result for each that it has. */
  const recovering = createPendingResponses<ActiveExecution, null>({
    deadlines,
    within: owner.reconnectWindow,
    isPaused,
    overdue: each =>
      each.end('lost', fault(each, 'OUTCOME_UNKNOWN', 'the connection was lost and no answer came within the reconnect window', loss)),
  });
  const unresponsive = (taskId: string, requestId: U64): void => {
    sender.agentEnded(requestId);
    owner.unresponsive(taskId);
  };
  const cancels = createCancelWatch({ deadlines, options, counts, isPaused, unresponsive });

  /** Ends an execution from our side, and tells the agent where it has heard of it. */
  const abandon = (execution: ActiveExecution, event: 'cancel' | 'deadline', error: SpearletError): void => {
    const { channel } = sender;
    const isSent = execution.phase !== 'waiting';
    // The agent drops the beginning of a request on a cancel, and owes no response.
    if (!isSent && channel?.queue.remove(execution) === 'partly')
      channel.queue.addUrgent(channel.codec.cancel(execution.requestId, execution.taskId));
    if (!execution.end(event, error)) return;
    if (!isSent || channel === null || !cancels.send(channel, execution.requestId, execution.taskId))
      sender.agentEnded(execution.requestId);
  };

  const self: ExecutionOwner = {
    ids,
    now: deadlines.now,
    settled(execution) {
      executions.delete(execution.requestId);
      namedTasks?.delete(execution.taskId);
      sender.waiting.remove(execution);
      if (isThrottled()) self.throttle(execution, false);
      recovering.settle(execution);
      // One that we have ended runs until its agent says that it does not.
      if (execution.phase !== 'cancelled' && execution.phase !== 'timedOut') sender.agentEnded(execution.requestId);
      if (executions.size === 0) activity.idle();
    },
    cancel(execution, reason, cause) {
      abandon(execution, 'cancel', fault(execution, 'CANCELLED', `the execution was cancelled: ${reasonOf(reason)}`, cause));
    },
    timedOut(execution, why = `the execution did not end within ${execution.timeout ?? owner.timeout} ms`) {
      abandon(execution, 'deadline', fault(execution, 'EXECUTION_TIMEOUT', why));
    },
    grant: (execution, bytes) => sender.channel?.queue.addUrgent(sender.channel.codec.window(execution.requestId, bytes)),
    lend: createBudget(bounds.lentWindows),
    throttle(execution, on) {
      const { channel } = sender;
      // On wire v2 the window of the execution holds the agent back.
      if (channel?.codec.carriesBytes) return;
      throttling ??= new Set();
      if (on) throttling.add(execution);
      else throttling.delete(execution);
      if (isThrottled()) channel?.pauseReading();
      else channel?.resumeReading();
    },
    subscriberThrew: owner.subscriberThrew,
  };

  /** Checks a request against every bound, and sends it or lets it wait for a session. Throws SpearletError. */
  const checkAndSend = (requestId: number, taskId: string, request: ParsedRequest, parsed: ParsedExecuteOptions): ActiveExecution => {
    if (closed !== null)
      throw new SpearletError('INSTANCE_STOPPED', `the instance takes no more work: ${closed.why}`, { cause: closed.cause });
    const { signal, idleTimeout, timeout = owner.timeout } = parsed;
    if (signal?.aborted)
      throw new SpearletError('CANCELLED', 'the signal was aborted before the execution began', { cause: signal.reason });
    if (executions.size >= options.maxInFlight)
      throw new SpearletError('OVERLOADED', `${executions.size} executions are in flight: maxInFlight (${options.maxInFlight})`);
    const size = requestSize(taskId, request);
    checkSize('the request', size, options.maxFrameBytes);
    sender.checkRoom(size);
    const execution = new ActiveExecution(self, requestId, taskId, request, size, parsed);
    sender.take(execution, request);
    if (timeout !== undefined) execution.deadline = deadlines.add(timeout, execution);
    if (idleTimeout !== undefined)
      execution.idleWatch = watchIdle(deadlines, idleTimeout, execution, () => !isConnected || isThrottled(), self);
    if (signal !== undefined)
      execution.stopWaiting = onAbort(signal, () => self.cancel(execution, 'its signal was aborted', signal.reason));
    return execution;
  };

  const begin = (requestId: number, request: ParsedRequest, parsed: ParsedExecuteOptions): ActiveExecution => {
    const taskId = request.taskId ?? defaultTaskId(instanceId, requestId);
    try {
      const named = namedTasks?.get(taskId);
      if (named !== undefined) return attached(named, request, parsed);
      const execution = checkAndSend(requestId, taskId, request, parsed);
      executions.set(requestId, execution);
      counts.executions += 1;
      if (request.taskId !== undefined) {
        namedTasks ??= new Map();
        namedTasks.set(taskId, { execution, request, encoding: parsed.encoding });
      }
      activity.begin();
      return execution;
    } catch (thrown) {
      return refusedExecution(taskId, ids, thrown);
    }
  };

  return {
    counts,
    // No getter: V8 gives each object literal with one a hash table of its own.
    inFlight: () => executions.size,

    execute(input, optionsInput) {
      const requestId = nextId++;
      try {
        return begin(requestId, parseRequest(input), parseOptions(optionsInput));
      } catch (thrown) {
        return refusedExecution(defaultTaskId(instanceId, requestId), ids, thrown);
      }
    },

    executeParsed: (request, options) => begin(nextId++, request, options),

    working: cancels.working,

    signal(data) {
      const { channel } = sender;
      if (typeof data !== 'string' || !data.isWellFormed()) throw new SpearletError('INVALID_OPTIONS', 'send() takes a text', ids);
      if (channel === null || !isConnected) throw new SpearletError('NOT_DELIVERED', 'no agent is connected', ids);
      const frame = channel.codec.signal(nextId++, data);
      checkSize('the signal', frame.length, options.maxFrameBytes, ids);
      sender.checkRoom(data.length);
      channel.queue.add(frame);
    },

    executeResponse(requestId, response) {
      const execution = executions.get(requestId);
      if (execution !== undefined) {
        if ((response.taskId !== null && execution.taskId !== response.taskId) || execution.phase === 'waiting') counts.foreignAnswers += 1;
        else {
          recovering.settle(execution);
          if (!execution.answer(response)) counts.lateAnswers += 1;
        }
      } else if (requestId >= nextId) counts.foreignAnswers += 1;
      else {
        const { channel } = sender;
        counts.lateAnswers += 1;
        if (Buffer.isBuffer(response.output)) channel?.queue.addUrgent(channel.codec.window(requestId as number, response.output.length));
        if (response.status === 'Started') {
          if (channel !== null) cancels.started(channel, requestId, response.taskId ?? defaultTaskId(instanceId, requestId));
        } else if (response.status !== 'Running') {
          cancels.responded(requestId);
          sender.agentEnded(requestId);
        }
      }
    },

    attach(opened, announced) {
      const isResumed = sender.channel !== null;
      sender.channel = opened;
      sender.features = announced;
      isConnected = true;
      activity.reset();
      if (isResumed) return;
      sender.sendWaiting();
      if (isThrottled()) opened.pauseReading();
    },

    detach(cause) {
      const { channel } = sender;
      // What is left to read is bounded by the buffers of the system.
      channel?.resumeReading();
      isConnected = false;
      loss = cause;
      // The channel keeps what was sent, and the requests that were not: the agent resumes.
      if (channel?.codec.carriesBytes) return;
      cancels.clear();
      for (const each of executions.values()) if (each.request !== null) channel?.queue.remove(each);
      sender.lose(executions.values());
      for (const each of executions.values()) if (each.request === null) recovering.expect(each, null);
    },

    defer() {
      sender.isDeferred = true;
    },

    epochEnded(why, cause) {
      cancels.clear();
      sender.isDeferred = false;
      // Requests that were not written wait for the next incarnation.
      sender.lose([...executions.values()].filter(each => each.request !== null));
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
