// The executions of one instance: a Map from request id to who waits, and the link they go out by. Messages come and go
// here without touching a machine; the machine learns only that work has begun or ended.
import { type ErrorCode, SpearletError } from '../errors.ts';
import type { Link } from '../link/link.ts';
import {
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
import { decodeExecuteResponse, encodeSignal } from '../protocol/v1.ts';
import { onAbort } from './abort.ts';
import { type CallCounts, newCounts } from './counts.ts';
import type { Deadlines } from './deadlines.ts';
import { type Call, type CallEvents, createCall, type Execution } from './execution.ts';
import { createOrphans } from './orphans.ts';
import { refusedExecution } from './refused.ts';
import { checkSize, encodeRequest, UNREAD_FACTOR, WIRE_FACTOR } from './request.ts';
import { createUnanswered } from './unanswered.ts';
import { createWork } from './work.ts';

const noOptions: ParsedExecuteOptions = { collect: false, reject: true };

export interface Calls {
  readonly inFlight: number;
  readonly counts: CallCounts;
  execute(request: ExecuteRequestInput, options?: ExecuteOptions): Execution;
  /** Tells the agent something that is not an execution. Throws NOT_DELIVERED without a session. */
  signal(data: string): void;
  answer(message: SpearMessage): void;
  /** A session is open: what waited goes out. */
  attach(link: Link): void;
  /** The session is lost, for this cause: what was sent waits for an answer on the next one. */
  detach(cause: SpearletError | undefined): void;
  /** The program is gone: what it was given has an unknown outcome. */
  incarnationEnded(why: string, cause: unknown): void;
  /** No new execution is taken; those in flight may still be answered. */
  close(why: string, cause: unknown): void;
  /** Nothing is sent or answered any more: what is left settles. */
  end(): void;
}

export interface CallsOwner {
  readonly instanceId: string;
  readonly artifactId: string;
  readonly timeout: number | undefined;
  readonly options: Pick<ParsedOptions, 'maxInFlight' | 'maxQueuedBytes' | 'maxFrameBytes' | 'grace'>;
  readonly deadlines: Deadlines;
  /** How long an execution waits for an answer after its link was lost, in ms. */
  readonly reconnectWindow: number;
  work(happened: 'begun' | 'finished'): void;
  /** The agent was told to cancel it, and does not answer. */
  unanswered(taskId: string): void;
}

export function createCalls(owner: CallsOwner): Calls {
  const { instanceId, artifactId, options, deadlines } = owner;
  const facts = { instanceId, artifactId };
  const calls = new Map<number, Call>();
  const namedTasks = new Set<string>();
  const throttling = new Set<Call>();
  const counts = newCounts();
  let nextId = 1;
  let link: Link | null = null;
  /** Payloads that wait for a session, in UTF-16 units. */
  let waitingSize = 0;
  let closed: { why: string; cause: unknown } | null = null;

  const work = createWork(deadlines, () => calls.size, owner.work);

  const fault = (call: Call, code: ErrorCode, message: string, cause?: unknown) => (): SpearletError =>
    new SpearletError(code, message, { ...facts, taskId: call.taskId, cause });

  const isHeld = (): boolean => throttling.size > 0 && link !== null;
  const orphans = createOrphans(deadlines, owner.reconnectWindow, isHeld, (call, cause) =>
    call.end('lost', fault(call, 'OUTCOME_UNKNOWN', 'the link was lost and no answer came within the reconnect window', cause)),
  );

  const throttle = (call: Call, on: boolean): void => {
    if (on) throttling.add(call);
    else throttling.delete(call);
    if (throttling.size > 0) link?.hold();
    else link?.release();
  };

  const unanswered = createUnanswered(owner, counts, isHeld);
  /** Nobody waits for it any more. The request's own id says which one is meant: its task id may be in use again. */
  const tellOff = (requestId: U64, taskId: string): void => {
    if (link !== null && unanswered.add(requestId, taskId))
      link.send('Signal', requestId, encodeSignal({ signal: 'cancel', task_id: taskId }));
  };

  /** Ends a call from our side, and tells the agent where it has heard of it. */
  const abandon = (call: Call, happening: 'cancel' | 'deadline', error: () => SpearletError): void => {
    const known = call.phase !== 'waiting';
    if (!known) link?.remove(call);
    if (call.end(happening, error) && known) tellOff(call.requestId, call.taskId);
  };

  const cancel = (call: Call, reason: string, cause?: unknown): void =>
    abandon(call, 'cancel', fault(call, 'CANCELLED', `the execution was cancelled: ${reason}`, cause));

  const events: CallEvents = {
    settled(call) {
      calls.delete(call.requestId);
      if (namedTasks.size > 0) namedTasks.delete(call.taskId);
      if (link === null && call.payload !== null) waitingSize -= call.payload.length;
      if (throttling.size > 0) throttle(call, false);
      orphans.heardOf(call);
      if (calls.size === 0) work.rest();
    },
    cancelled: cancel,
    throttle,
  };

  /** What waits to be sent, as requests and not as frames: wire v1 needs up to 4 characters for a byte. */
  const queuedSize = (): number => (link === null ? waitingSize : Math.floor(link.pending / WIRE_FACTOR));

  /** Checks a request against every bound and makes its call. Throws SpearletError. */
  const admit = (
    requestId: number,
    taskId: string,
    request: ParsedRequest,
    { signal, timeout, collect, reject }: ParsedExecuteOptions,
  ): Call => {
    if (namedTasks.has(taskId)) throw new SpearletError('INVALID_OPTIONS', `the task id '${taskId}' is in flight already`);
    if (closed !== null)
      throw new SpearletError('INSTANCE_STOPPED', `the instance takes no more work: ${closed.why}`, { cause: closed.cause });
    if (signal?.aborted)
      throw new SpearletError('CANCELLED', 'the signal was aborted before the execution began', { cause: signal.reason });
    if (calls.size >= options.maxInFlight) {
      throw new SpearletError('OVERLOADED', `${calls.size} executions are in flight, the bound is maxInFlight (${options.maxInFlight})`);
    }
    const payload = encodeRequest(taskId, request, options.maxFrameBytes);
    const queued = queuedSize();
    if (queued > 0 && queued + payload.length > options.maxQueuedBytes)
      throw new SpearletError('OVERLOADED', `${queued} bytes are queued, the bound is maxQueuedBytes (${options.maxQueuedBytes})`);
    const call = createCall(requestId, taskId, { collect, reject, facts }, events);
    call.payload = payload;
    const limit = timeout ?? owner.timeout;
    if (limit !== undefined) {
      const error = fault(call, 'EXECUTION_TIMEOUT', `the execution did not end within ${limit} ms`);
      call.deadline = deadlines.add(limit, () => abandon(call, 'deadline', error));
    }
    if (signal !== undefined) {
      call.release = onAbort(signal, () => cancel(call, 'its signal was aborted', signal.reason));
    }
    return call;
  };

  return {
    counts,
    get inFlight() {
      return calls.size;
    },

    execute(input, optionsInput) {
      const requestId = nextId++;
      let taskId = `${instanceId}/${requestId}`;
      try {
        const request = parse(requestSchema, input, 'execute()');
        const parsed = optionsInput === undefined ? noOptions : parse(executeOptionsSchema, optionsInput, 'execute() options');
        if (request.taskId !== undefined) taskId = request.taskId;
        const call = admit(requestId, taskId, request, parsed);
        calls.set(requestId, call);
        counts.executions += 1;
        if (request.taskId !== undefined) namedTasks.add(taskId);
        if (link === null) waitingSize += call.payload!.length;
        else link.send('ExecuteRequest', requestId, call.payload!, call);
        work.begin();
        return call.execution;
      } catch (thrown) {
        return refusedExecution(taskId, facts, thrown);
      }
    },

    signal(data) {
      if (typeof data !== 'string' || !data.isWellFormed()) throw new SpearletError('INVALID_OPTIONS', 'send() takes a text', facts);
      if (link === null) throw new SpearletError('NOT_DELIVERED', 'no agent is connected', facts);
      const payload = encodeSignal({ signal: 'user', data });
      checkSize('the signal', payload, options.maxFrameBytes, facts);
      const queued = queuedSize();
      if (queued > 0 && queued + payload.length > options.maxQueuedBytes)
        throw new SpearletError('OVERLOADED', `${queued} bytes are queued, the bound is maxQueuedBytes (${options.maxQueuedBytes})`, facts);
      link.send('Signal', nextId++, payload);
    },

    answer(message) {
      const response = decodeExecuteResponse(message.payload);
      const call = calls.get(message.requestId as number);
      if (call === undefined) {
        if (message.requestId < nextId) {
          counts.lateAnswers += 1;
          // It was cancelled while nobody could be told.
          if (response.status === 'Started') {
            if (link !== null && link.pending > UNREAD_FACTOR * options.maxQueuedBytes)
              throw new SpearletError('PROTOCOL_ERROR', 'it asks for more than it reads');
            tellOff(message.requestId, response.taskId);
          } else if (response.status !== 'Running') unanswered.heardOf(message.requestId);
        } else counts.foreignAnswers += 1;
      } else if (call.taskId !== response.taskId || call.phase === 'waiting') counts.foreignAnswers += 1;
      else {
        orphans.heardOf(call);
        if (!call.answer(response)) counts.lateAnswers += 1;
      }
    },

    attach(opened) {
      link = opened;
      waitingSize = 0;
      for (const call of calls.values()) if (call.payload !== null) link.send('ExecuteRequest', call.requestId, call.payload, call);
      if (throttling.size > 0) link.hold();
      work.reset();
    },

    detach(cause) {
      // Whoever was there is gone: the rest of what it said is all there will be, and bounded by what the system holds.
      link?.release();
      unanswered.clear();
      for (const call of calls.values()) if (call.payload !== null) link?.remove(call);
      link = null;
      // What was not written goes out on the next link.
      waitingSize = 0;
      for (const call of calls.values()) waitingSize += call.payload?.length ?? 0;
      orphans.add(calls.values(), cause);
    },

    incarnationEnded(why, cause) {
      unanswered.clear();
      for (const call of [...calls.values()]) {
        if (call.phase !== 'waiting') call.end('lost', fault(call, 'OUTCOME_UNKNOWN', `no answer will come: ${why}`, cause));
      }
    },

    close(why, cause) {
      closed = { why, cause };
    },

    end() {
      work.close();
      unanswered.clear();
      for (const call of [...calls.values()]) {
        const code = call.phase === 'waiting' ? 'NOT_DELIVERED' : 'OUTCOME_UNKNOWN';
        call.end('lost', fault(call, code, `no answer will come: ${closed?.why ?? 'the instance ended'}`, closed?.cause));
      }
    },
  };
}
