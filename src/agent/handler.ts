// What the author of an agent writes: a handler, the request and the context that it gets. Types only.
import type { RequestSettings } from '../options/execution.ts';
import type { HandlerResult } from './result.ts';

/** A request, as a handler gets it. */
export interface AgentRequest {
  /** The id of the execution. */
  readonly taskId: string;
  /** The command of the request: the name of the handler. */
  readonly command: string;
  /** The arguments of the request. */
  readonly args: readonly string[];
  /** The variables of the request. It inherits no name, so `__proto__` is a name like any other. */
  readonly env: Readonly<Record<string, string>>;
  /** The `input` of `execute()`, as bytes. Left out where the caller gave none. */
  readonly input?: Uint8Array;
  /** The settings of the request; only those that the option `settings` of `serve()` names. Left out where the caller gave none. */
  readonly settings?: RequestSettings;
}

/** The options of `write()`. */
export interface WriteOptions {
  /** The channel of the output. The caller sees `'stderr'`; for all else it sees `'stdout'` on wire v2, and no channel on wire v1. */
  readonly channel?: 'stdout' | 'stderr';
}

/** What a handler can do beside its return value. */
export interface HandlerContext {
  /** The id of the execution. */
  readonly taskId: string;
  /** Aborts when the caller cancels, when the timeout of the execution is over, or when this agent has to end. */
  readonly signal: AbortSignal;
  /** Output may be any bytes: the host speaks wire v2. If false, output has to be text in UTF-8. */
  readonly carriesBytes: boolean;
  /**
   * Sends one Running update. Await the promise: it resolves when more output can be taken. It rejects if the output is not
   * text on wire v1, or if the execution has ended. If the handler ignores a rejection, the execution is Failed with it.
   */
  write(output: string | Uint8Array, options?: WriteOptions): Promise<void>;
  /**
   * Sends the caller how far the execution is: a value that can be converted to JSON, such as `{ done: 0.3, message: 'reading' }`. The
   * caller gets it as an update of its own. Await the promise, as that of write(). It rejects for a value that cannot be converted to
   * JSON, or that is too long as JSON (more than `maxFrameBytes` / 32 characters, or 16 Ki on wire v2, 1 Mi on v1), or if the execution
   * has ended.
   */
  progress(value: unknown): Promise<void>;
}

/**
 * Executes requests. Its return value is the answer. If it throws, the execution is Failed, with the message of the error and
 * exit code 1. The caller's error has what was thrown as its `cause`, with the stack of this agent, which is also printed to
 * stderr. An invalid result does the same.
 */
export type Handler = (request: AgentRequest, context: HandlerContext) => HandlerResult | Promise<HandlerResult>;
