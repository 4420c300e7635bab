// One execution from the caller's side: the table that moves it, the result it settles with, the updates on the way. It
// knows nothing of the wire. machines/execution.ts is the same table as a chart; a test proves them equal.
import type { Observable } from 'rxjs';
import { type ErrorFacts, SpearletError } from '../errors.ts';
import { bounds } from '../options.ts';
import { printable } from '../printable.ts';
import type { ExecuteResponse, Status } from '../protocol/message.ts';
import { createCollected } from './collected.ts';
import type { Deadline } from './deadlines.ts';
import { createUpdates, type ExecutionUpdate, type Updates } from './updates.ts';

export type Phase = 'waiting' | 'sent' | 'started' | 'completed' | 'failed' | 'cancelled' | 'timedOut' | 'undelivered' | 'unknown';
export type Happening = 'written' | 'started' | 'running' | 'completed' | 'failed' | 'cancel' | 'deadline' | 'lost';

const working = {
  running: 'started',
  completed: 'completed',
  failed: 'failed',
  cancel: 'cancelled',
  deadline: 'timedOut',
  lost: 'unknown',
} as const;

/** From where to where: machines/execution.ts, as what runs per request. Final phases lead nowhere. */
export const table: Readonly<Record<Phase, Partial<Readonly<Record<Happening, Phase>>>>> = {
  waiting: { written: 'sent', cancel: 'cancelled', deadline: 'timedOut', lost: 'undelivered' },
  sent: { started: 'started', ...working },
  started: working,
  completed: {},
  failed: {},
  cancelled: {},
  timedOut: {},
  undelivered: {},
  unknown: {},
};

const happenings: Readonly<Record<Status, Happening>> = {
  Started: 'started',
  Running: 'running',
  Completed: 'completed',
  Failed: 'failed',
};

export interface ExecutionResult {
  readonly taskId: string;
  readonly status: 'completed' | 'failed';
  /** The terminal message's own output; with `collect`, the first 16 MiB of the running output joined before it. */
  readonly output: string | null;
  readonly error: string | null;
  readonly exitCode: number | null;
  /** Bytes of running output that were lost with a connection, and with `collect` those beyond its bound. */
  readonly truncatedBytes: number;
}

/** What a caller holds. */
export interface Execution extends AsyncIterable<ExecutionUpdate> {
  readonly taskId: string;
  /** Rejects with SpearletError unless completed (or `reject: false`, for an answer of Failed). Unobserved, it raises nothing. */
  readonly result: Promise<ExecutionResult>;
  /** Kept updates first, then live; exactly one terminal update, then it completes. It never errors. */
  readonly updates$: Observable<ExecutionUpdate>;
  cancel(reason?: string): void;
}

export interface CallOptions {
  readonly collect: boolean;
  readonly reject: boolean;
  readonly facts: ErrorFacts;
}

/** What the engine holds of an execution. */
export interface Call {
  readonly requestId: number;
  readonly taskId: string;
  phase: Phase;
  /** What has to be sent, until it is written. */
  payload: string | null;
  deadline: Deadline | null;
  /** Stops listening for an abort. */
  release: (() => void) | null;
  /** Takes an answer of the agent; false where it comes too late, or twice, to mean anything. */
  answer(response: ExecuteResponse): boolean;
  /** Ends it from our side; false where it has ended already. */
  end(happening: 'cancel' | 'deadline' | 'lost', error: () => SpearletError): boolean;
  written(): void;
  readonly execution: Execution;
}

export interface CallEvents {
  /** It is in a final phase now. */
  settled(call: Call): void;
  cancelled(call: Call, reason: string): void;
  throttle(call: Call, on: boolean): void;
}

export function createCall(requestId: number, taskId: string, options: CallOptions, events: CallEvents): Call {
  let started = false;
  let result: ExecutionResult | null = null;
  let failure: SpearletError | null = null;
  let settle: { resolve(result: ExecutionResult): void; reject(error: SpearletError): void } | null = null;
  let promise: Promise<ExecutionResult> | null = null;
  let updates: Updates | null = null;
  const collected = options.collect ? createCollected(bounds.collected) : null;
  let truncatedBytes = 0;
  /** Bytes of running output that the agent has written as far as is known: arrived or lost. */
  let writtenBytes = 0;
  let terminal: ExecutionUpdate | null = null;

  const move = (happening: Happening): boolean => {
    const next = table[call.phase][happening];
    if (next === undefined) return false;
    call.phase = next;
    return true;
  };

  /** Made when first needed: most executions are only awaited. */
  const theUpdates = (): Updates => {
    if (updates !== null) return updates;
    updates = createUpdates(taskId, { kept: bounds.keptUpdates, slow: bounds.slowReader }, on => events.throttle(call, on));
    if (started) updates.push({ taskId, status: 'started' }, 0);
    if (terminal !== null) {
      updates.push(terminal, 0);
      updates.end(failure ?? undefined);
    }
    return updates;
  };

  const begin = (): void => {
    if (started) return;
    started = true;
    updates?.push({ taskId, status: 'started' }, 0);
  };

  /** The agent has written so many bytes before this message; what of them has not arrived was lost with a connection. */
  const noteOffset = (offset: number): void => {
    const lost = offset - writtenBytes;
    if (lost <= 0) return;
    begin();
    writtenBytes = offset;
    truncatedBytes += lost;
    theUpdates().lose(lost);
  };

  const run = (output: string): void => {
    begin();
    const bytes = Buffer.byteLength(output);
    writtenBytes += bytes;
    if (collected !== null) truncatedBytes += collected.add(output, bytes);
    theUpdates().push({ taskId, status: 'running', output }, bytes);
  };

  const finish = (update: ExecutionUpdate, error: SpearletError | null): void => {
    terminal = update;
    failure = error;
    updates?.push(update, 0);
    updates?.end(error ?? undefined);
    if (settle !== null) {
      if (error === null) settle.resolve(result!);
      else settle.reject(error);
    }
    call.deadline?.cancel();
    call.deadline = null;
    call.release?.();
    call.release = null;
    events.settled(call);
  };

  const complete = ({ status, output, error, exitCode }: ExecuteResponse): void => {
    begin();
    const ok = status === 'Completed';
    const running = collected?.join() ?? '';
    const joined = running === '' ? output : running + (output ?? '');
    result = { taskId, status: ok ? 'completed' : 'failed', output: joined, error, exitCode, truncatedBytes };
    const update: ExecutionUpdate = {
      taskId,
      status: result.status,
      ...(output === null ? {} : { output }),
      ...(error === null ? {} : { error }),
      ...(exitCode === null ? {} : { exitCode }),
    };
    if (ok || !options.reject) return finish(update, null);
    const code = exitCode === null ? '' : ` with exit code ${exitCode}`;
    finish(
      update,
      new SpearletError('EXECUTION_FAILED', `the execution failed${code}${error ? `: ${printable(error, bounds.quoted)}` : ''}`, {
        ...options.facts,
        taskId,
        exitCode,
        output: joined,
        error,
        truncatedBytes,
      }),
    );
  };

  const execution: Execution = {
    taskId,
    get result() {
      if (promise !== null) return promise;
      promise = new Promise<ExecutionResult>((resolve, reject) => {
        settle = { resolve, reject };
        if (failure !== null) reject(failure);
        else if (result !== null) resolve(result);
      });
      promise.catch(() => {});
      return promise;
    },
    get updates$() {
      return theUpdates().updates$;
    },
    cancel(reason = 'cancelled by the caller') {
      events.cancelled(call, reason);
    },
    [Symbol.asyncIterator]: () => theUpdates().iterate(),
  };

  const call: Call = {
    requestId,
    taskId,
    phase: 'waiting',
    payload: null,
    deadline: null,
    release: null,
    execution,
    answer(response) {
      if (terminal !== null) return false;
      if (response.outputOffset !== undefined) noteOffset(response.outputOffset);
      if (!move(happenings[response.status])) return false;
      if (response.status === 'Started') begin();
      else if (response.status === 'Running') run(response.output ?? '');
      else complete(response);
      return true;
    },
    end(happening, error) {
      if (!move(happening)) return false;
      const failed = error();
      finish({ taskId, status: 'failed', error: failed.message }, failed);
      return true;
    },
    written() {
      move('written');
      call.payload = null;
    },
  };
  return call;
}
