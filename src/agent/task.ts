// The executions of an agent: each request calls a handler, and becomes outputs and one result. How the host is reached is unknown here.
import { reasonOf, SpearletError } from '../errors.ts';
import type { ExecuteRequest, OutputChannel, U64 } from '../protocol/message.ts';
import type { Answers } from './answers.ts';
import { defer as deferReally } from './clock.ts';
import type { Delivery } from './delivery.ts';
import { exceptionOf } from './exception.ts';
import type { AgentRequest, Handler, HandlerContext, WriteOptions } from './handler.ts';
import { RefusedWrite } from './refused-write.ts';
import { type Answer, answerOf, failed, type HandlerResult, kindOf } from './result.ts';
import { createTextJoiner, pieces, slices, type TextJoiner } from './text.ts';

interface Task {
  readonly request: AgentRequest;
  readonly delivery: Delivery;
  /** Created when a handler first reads its signal: most handlers never do, and it costs more than an echo. */
  aborter: AbortController | null;
  /** Why the task has to stop. Null: it does not have to. */
  aborted: SpearletError | null;
  text: Partial<Record<OutputChannel, TextJoiner>> | null;
  /** The first refused write() whose promise the handler ignores. */
  refused: RefusedWrite | null;
}

export interface Tasks {
  readonly size: number;
  deliveries(): Delivery[];
  run(requestId: U64, request: ExecuteRequest): void;
  /** Requests that come after this are Failed. */
  drain(): void;
  /** Aborts the task with this request id, and with this task id unless that is null. */
  cancel(requestId: U64, taskId: string | null): void;
  abortAll(reason: string): void;
  clear(): void;
}

interface Outputs {
  write(task: Task, output: string | Uint8Array, options?: WriteOptions): Promise<void>;
  progress(task: Task, value: unknown): Promise<void>;
}

/** A class, because V8 is slow with object literals that have getters, and one is made for every request. */
class Context implements HandlerContext {
  readonly taskId: string;
  readonly #task: Task;
  readonly #answers: Answers;
  readonly #outputs: Outputs;

  constructor(task: Task, answers: Answers, outputs: Outputs) {
    this.taskId = task.request.taskId;
    this.#task = task;
    this.#answers = answers;
    this.#outputs = outputs;
  }

  get signal(): AbortSignal {
    return signalOf(this.#task);
  }
  get carriesBytes(): boolean {
    return this.#answers.carriesBytes;
  }
  /** A function of its own: a handler may take it out of the context. */
  get write(): HandlerContext['write'] {
    return (output, options) => this.#outputs.write(this.#task, output, options);
  }
  get progress(): HandlerContext['progress'] {
    return value => this.#outputs.progress(this.#task, value);
  }
}

/** Objects that inherit no name. V8 makes them faster than `Object.create(null)`. */
const Variables = class {};
Object.setPrototypeOf(Variables.prototype, null);
Reflect.deleteProperty(Variables.prototype, 'constructor');

function signalOf(task: Task): AbortSignal {
  task.aborter ??= new AbortController();
  if (task.aborted !== null) task.aborter.abort(task.aborted);
  return task.aborter.signal;
}

function abort(task: Task, reason: string): void {
  task.aborted ??= new SpearletError('CANCELLED', reason);
  task.aborter?.abort(task.aborted);
}

/** The handler of one command. Undefined: the command is unknown. Throws if the handler is not a function. */
function findHandler(handlers: Handler | Readonly<Record<string, Handler>>, command: string): Handler | undefined {
  if (typeof handlers === 'function') return handlers;
  if (!Object.hasOwn(handlers, command)) return undefined;
  const handler = handlers[command];
  if (typeof handler === 'function') return handler;
  throw new TypeError(`the handler of '${command}' is ${kindOf(handler)}, not a function`);
}

/** What becomes of an exception beside its answer. */
export interface Exceptions {
  /** Removes what must not leave this process. */
  hide(text: string): string;
  /** For the stderr of this agent. */
  print?: ((taskId: string, stack: string) => void) | undefined;
}

/**
 * `updateSize` gives the largest Running update, in UTF-16 units or bytes; `defer` runs a function after everything that has
 * arrived in this turn.
 */
export function createTasks(
  handlers: Handler | Readonly<Record<string, Handler>>,
  answers: Answers,
  updateSize: () => number,
  defer = deferReally,
  { hide, print }: Exceptions = { hide: text => text },
): Tasks {
  const tasks = new Map<U64, Task>();
  let withoutStarted: Task[] = [];
  let draining = false;

  const isRunning = (task: Task): boolean => tasks.get(task.delivery.requestId) === task;

  /** Gives the promise of an update, or one that rejects where the update is refused. */
  const attempt = (task: Task, what: string, send: () => Promise<void>): Promise<void> => {
    try {
      if (!isRunning(task)) throw new SpearletError('PROTOCOL_ERROR', `${what}() after the end of the execution`);
      return send();
    } catch (error) {
      const refused = new RefusedWrite(error);
      if (task.refused === null || task.refused.observed) task.refused = refused;
      return refused;
    }
  };

  const write: Outputs['write'] = (task, output, { channel } = {}) =>
    attempt(task, 'write', () => {
      if (typeof output !== 'string' && !ArrayBuffer.isView(output))
        throw new TypeError(`write() takes a text or bytes, not ${kindOf(output)}`);
      if (channel !== undefined && channel !== 'stdout' && channel !== 'stderr')
        throw new TypeError(`write() takes the channel 'stdout' or 'stderr', not ${kindOf(channel)}`);
      const stderr = channel === 'stderr' ? channel : undefined;
      const cut = answers.carriesBytes && typeof output !== 'string' ? slices(output, updateSize()) : textPieces(task, output, channel);
      if (cut.length === 1) return answers.output(task.delivery, cut[0]!, stderr);
      if (cut.length === 0) return Promise.resolve();
      return cut.map(piece => answers.output(task.delivery, piece, stderr)).at(-1)!;
    });

  const progress: Outputs['progress'] = (task, value) =>
    attempt(task, 'progress', () => {
      const json = JSON.stringify(value);
      if (json === undefined) throw new TypeError(`progress() takes a value that JSON can say, not ${kindOf(value)}`);
      if (json.length > updateSize())
        throw new TypeError(`progress() takes a value of up to ${updateSize()} characters as JSON, not ${json.length}`);
      // A copy: the handler may change the value while it waits to be sent.
      return answers.signal(task.delivery, { signal: 'progress', value: JSON.parse(json) });
    });
  const outputs = { write, progress };

  /** Each channel has its own joiner: a code point may be split between two writes to it. */
  const textPieces = (task: Task, output: string | Uint8Array, channel: OutputChannel = 'stdout'): string[] => {
    task.text ??= {};
    task.text[channel] ??= createTextJoiner();
    return pieces(task.text[channel].add(output), updateSize());
  };

  const finish = (task: Task, answer: Answer): void => {
    if (!isRunning(task)) return;
    tasks.delete(task.delivery.requestId);
    answers.result(task.delivery, answer);
  };
  const fail = (task: Task, thrown: unknown): void => {
    const exception = isRunning(task) && task.aborted === null ? exceptionOf(thrown, hide, updateSize()) : null;
    if (exception !== null) {
      void answers.signal(task.delivery, { signal: 'exception', value: exception });
      if (exception.stack !== undefined) print?.(task.request.taskId, exception.stack);
    }
    finish(task, failed(hide(reasonOf(thrown))));
  };
  const complete = (task: Task, value: HandlerResult): void => {
    try {
      // The refused output is missing, and the handler does not know it.
      if (task.refused?.observed === false) throw task.refused.error;
      task.text?.stdout?.end();
      task.text?.stderr?.end();
      finish(task, answerOf(value));
    } catch (thrown) {
      fail(task, thrown);
    }
  };

  const callHandler = (task: Task): void => {
    const { command } = task.request;
    const handler = findHandler(handlers, command);
    if (handler === undefined) return finish(task, failed(`unknown command '${command}'`, 127));
    const value = handler(task.request, new Context(task, answers, outputs));
    if (typeof (value as Promise<HandlerResult> | undefined | null)?.then !== 'function') return complete(task, value as HandlerResult);
    Promise.resolve(value).then(
      result => complete(task, result),
      thrown => fail(task, thrown),
    );
    // Most results come in the same turn. Only the other executions need a Started.
    if (withoutStarted.push(task) === 1) defer(sendStarted);
  };

  const sendStarted = (): void => {
    const list = withoutStarted;
    withoutStarted = [];
    for (const task of list) if (isRunning(task)) answers.started(task.delivery);
  };

  return {
    get size() {
      return tasks.size;
    },
    deliveries: () => Array.from(tasks.values(), task => task.delivery),
    run(requestId, { taskId, command, args, env: variables, input, settings }) {
      const env: Record<string, string> = new Variables() as never;
      for (const [name, value] of variables) env[name] = value;
      const plain = { taskId, command, args, env };
      const task: Task = {
        request:
          input === undefined && settings === undefined ? plain : { ...plain, ...(input && { input }), ...(settings && { settings }) },
        delivery: answers.delivery(requestId, taskId),
        aborter: null,
        aborted: null,
        text: null,
        refused: null,
      };
      tasks.set(requestId, task);
      if (draining) return finish(task, failed('this agent is ending and takes no more requests'));
      try {
        callHandler(task);
      } catch (thrown) {
        fail(task, thrown);
      }
    },
    drain() {
      draining = true;
    },
    cancel(requestId, taskId) {
      const task = tasks.get(requestId);
      if (task !== undefined && taskId !== null && task.request.taskId !== taskId) return;
      // The host drops what still comes of it: so nothing of it waits for a reader, also after its task has ended.
      answers.window(requestId, Number.POSITIVE_INFINITY);
      if (task !== undefined) abort(task, 'cancelled by the host');
    },
    abortAll(reason) {
      for (const task of tasks.values()) abort(task, reason);
    },
    clear: () => tasks.clear(),
  };
}
