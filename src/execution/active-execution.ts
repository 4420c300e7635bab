// One execution from the caller's side: the result that it settles with, and the updates on the way. It knows nothing of the
// wire. Its phases are a table (phases.ts).
import type { Observable } from 'rxjs';
import { type ErrorFacts, rejectionOf, type SpearletError } from '../errors.ts';
import { isolated } from '../observe/isolated.ts';
import type { ParsedExecuteOptions, ParsedRequest } from '../option-schemas.ts';
import type { AgentException, ExecuteResponse } from '../protocol/message.ts';
import { textOf } from '../protocol/text.ts';
import type { Deadline, Expiring } from '../world/deadlines.ts';
import { cancelOnReturn } from './cancel-on-return.ts';
import type { OutputData } from './collected.ts';
import type { Execution, ExecutionResult } from './execution.ts';
import { executionFailed } from './execution-failed.ts';
import type { IdleWatch } from './idle-watch.ts';
import { type ExecutionEvent, eventOf, type Phase, table } from './phases.ts';
import { createRunningOutput, type RunningOutput } from './running-output.ts';
import type { ExecutionUpdate } from './update.ts';

/** The request table of an instance, as one of its executions sees it. */
export interface ExecutionOwner {
  readonly ids: ErrorFacts;
  /** The time, in ms. */
  now(): number;
  /** It is in a final phase now. */
  settled(execution: ActiveExecution): void;
  cancel(execution: ActiveExecution, reason: string, cause?: unknown): void;
  timedOut(execution: ActiveExecution, why?: string): void;
  /** A reader has fallen behind (true), or has caught up. */
  throttle(execution: ActiveExecution, on: boolean): void;
  /** The agent may send this many bytes of output more. */
  grant(execution: ActiveExecution, bytes: number): void;
  /** Asks for a larger window, in bytes; gives the bytes back where they are negative. False: there are none left. */
  lend(bytes: number): boolean;
  subscriberThrew(error: unknown): void;
}

export type ExecutionOptions = Pick<ParsedExecuteOptions, 'collect' | 'cancelOnReturn' | 'encoding' | 'reject' | 'timeout'>;

/** An execution from the call to its end. One object for the caller and the engine: one is made for every request. */
export class ActiveExecution implements Execution<OutputData>, Expiring {
  readonly taskId: string;
  /** The size of the request, in UTF-16 units and bytes of input. */
  size: number;
  /** Its input is still read. */
  isLoading = false;
  readonly requestId: number;
  /** When it was requested, in whole ms: V8 keeps a fraction outside of the object. */
  readonly #since: number;
  readonly #owner: ExecutionOwner;
  readonly #options: ExecutionOptions;
  #phase: Phase = 'waiting';
  /** Until it is written. */
  request: ParsedRequest | null;
  #isStarted = false;
  /** Made when first needed: most executions are only awaited. */
  #output: RunningOutput | null = null;
  #result: ExecutionResult<OutputData> | null = null;
  #failure: SpearletError | null = null;
  /** What a handler has thrown. Its agent sends it before the response. */
  #exception: AgentException | null = null;
  #promise: Promise<ExecutionResult<OutputData>> | null = null;
  #resolve: ((result: ExecutionResult<OutputData> | Promise<never>) => void) | null = null;
  /** Kept here by the request table and the send queue, and let go of when it ends. */
  deadline: Deadline | null = null;
  idleWatch: IdleWatch | null = null;
  stopWaiting: (() => void) | null = null;
  queuedAt = -1;

  constructor(owner: ExecutionOwner, requestId: number, taskId: string, request: ParsedRequest, size: number, options: ExecutionOptions) {
    this.taskId = taskId;
    this.#owner = owner;
    this.#since = Math.round(owner.now());
    this.requestId = requestId;
    this.request = request;
    this.size = size;
    this.#options = options;
  }

  get result(): Promise<ExecutionResult<OutputData>> {
    this.#promise ??= new Promise<ExecutionResult<OutputData>>((resolve, reject) => {
      if (this.#failure !== null) reject(this.#failure);
      else if (this.#result !== null) resolve(this.#result);
      else {
        this.#resolve = resolve;
      }
    });
    // A failure that nobody observes must not become an unhandledRejection.
    if (this.#failure !== null) this.#promise.catch(() => {});
    return this.#promise;
  }

  get updates$(): Observable<ExecutionUpdate<OutputData>> {
    return isolated(this.#theOutput().updates.updates$, this.#owner.subscriberThrew);
  }

  [Symbol.asyncIterator](): AsyncIterator<ExecutionUpdate<OutputData>, undefined> {
    const reading = this.#theOutput().updates.iterate();
    return this.#options.cancelOnReturn ? cancelOnReturn(reading, () => this.cancel('its reader has left')) : reading;
  }

  cancel(reason = 'cancelled by the caller'): void {
    this.#owner.cancel(this, reason);
  }

  // From here on: for the engine.

  get phase(): Phase {
    return this.#phase;
  }

  /** A reader has fallen behind, so that nothing more comes. */
  get isHeldBack(): boolean {
    return this.#output?.isHeldBack === true;
  }

  get encoding(): 'utf8' | 'buffer' {
    return this.#options.encoding;
  }

  get timeout(): number | undefined {
    return this.#options.timeout;
  }

  expire(): void {
    this.#owner.timedOut(this);
  }

  written(): void {
    this.#move('written');
    this.request = null;
  }

  /** Takes a response of the agent. False: it came after the end, or a second time, and was ignored. */
  answer(response: ExecuteResponse): boolean {
    if (this.#isOver) return false;
    this.idleWatch?.heard();
    if (response.outputOffset !== undefined) this.#noteOffset(response.outputOffset);
    if (!this.#move(eventOf[response.status])) return false;
    this.#start();
    if (response.status === 'Running') this.#addOutput(response);
    else if (response.status !== 'Started') this.#complete(response);
    return true;
  }

  /** Ends the execution from the host's side. False: it has ended already. */
  end(event: 'cancel' | 'deadline' | 'lost', error: SpearletError): boolean {
    if (!this.#move(event)) return false;
    // The error has the output that had arrived.
    if (this.#output !== null) Object.assign(error, this.#output.collected(null));
    this.#finish(error, null);
    return true;
  }

  get #isOver(): boolean {
    return this.#result !== null || this.#failure !== null;
  }

  #move(event: ExecutionEvent): boolean {
    const next = table[this.#phase][event];
    if (next === undefined) return false;
    this.#phase = next;
    return true;
  }

  #theOutput(): RunningOutput {
    if (this.#output !== null) return this.#output;
    const { taskId } = this;
    this.#output = createRunningOutput(taskId, this.#options, {
      throttle: on => this.#owner.throttle(this, on),
      grant: bytes => this.#owner.grant(this, bytes),
      lend: bytes => this.#owner.lend(bytes),
    });
    if (this.#isStarted) this.#output.updates.push({ taskId, status: 'started' }, 0);
    if (this.#isOver) this.#tellEnd(this.#output, this.#result?.output ?? null);
    return this.#output;
  }

  #decode(bytes: Buffer): OutputData {
    return this.#options.encoding === 'buffer' ? Buffer.from(bytes) : textOf(bytes);
  }

  #start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#output?.updates.push({ taskId: this.taskId, status: 'started' }, 0);
  }

  /** The agent has written this many bytes before this message; those that have not arrived were lost with a connection. */
  #noteOffset(offset: number): void {
    if (offset <= (this.#output?.writtenBytes ?? 0)) return;
    this.#start();
    this.#theOutput().advance(offset);
  }

  /** On wire v1 a Running with an error and no output is output on stderr. */
  #addOutput({ taskId, output, error, channel, signal }: ExecuteResponse): void {
    if (signal?.signal === 'exception') this.#exception = signal.value;
    else if (signal !== undefined) this.#theOutput().progress(signal.value, signal.bytes, taskId === null);
    else if (output === null && error !== null) this.#theOutput().add(error, 'stderr');
    else this.#theOutput().add(output ?? '', channel);
  }

  #complete({ status, output: received, error, exitCode }: ExecuteResponse): void {
    const { taskId } = this;
    this.#output?.end();
    const output = received === null || typeof received === 'string' ? received : this.#decode(received);
    const outcome = status === 'Completed' ? 'completed' : 'failed';
    const { output: all, stderr, truncatedBytes } = this.#output?.collected(output) ?? { output, stderr: null, truncatedBytes: 0 };
    const duration = Math.max(0, Math.round(this.#owner.now()) - this.#since);
    const result = { taskId, status: outcome, output: all, stderr, error, exitCode, truncatedBytes, duration } as const;
    this.#result = result;
    const isFailure = outcome === 'failed' && this.#options.reject;
    this.#finish(isFailure ? executionFailed(this.#owner.ids, result, this.#exception) : null, output);
  }

  #finish(failure: SpearletError | null, output: OutputData | null): void {
    this.#failure = failure;
    if (this.#output !== null) {
      // First: readers may still take what has arrived.
      this.#output.close();
      this.#tellEnd(this.#output, output);
    }
    if (failure === null) this.#resolve?.(this.#result!);
    else this.#resolve?.(rejectionOf(failure, this.#promise!));
    this.deadline?.cancel();
    this.idleWatch?.cancel();
    this.stopWaiting?.();
    this.deadline = null;
    this.stopWaiting = null;
    this.#owner.settled(this);
    this.request = null;
  }

  /** The terminal update, with the terminal message's own output, and what a pulling reader throws after it. */
  #tellEnd({ updates }: RunningOutput, output: OutputData | null): void {
    const { taskId } = this;
    const { status, error, exitCode } = this.#result ?? { status: 'failed', error: this.#failure!.message, exitCode: null };
    updates.push(
      {
        taskId,
        status,
        ...(output === null ? {} : { output }),
        ...(error === null ? {} : { error }),
        ...(exitCode === null ? {} : { exitCode }),
      },
      0,
    );
    updates.end(this.#failure ?? undefined);
  }
}
