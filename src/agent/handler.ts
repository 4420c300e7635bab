// What the author of an agent writes: a handler, the request and the context that it gets. Types only.
import type { HandlerResult } from './result.ts';

export interface AgentRequest {
  readonly taskId: string;
  readonly command: string;
  readonly args: readonly string[];
  /** It has no prototype, so `__proto__` is a name like any other. */
  readonly env: Readonly<Record<string, string>>;
}

export interface HandlerContext {
  readonly taskId: string;
  /** Aborts when the caller cancels, when the timeout of the execution is over, or when this agent has to end. */
  readonly signal: AbortSignal;
  /**
   * Sends one Running update. Await the promise: it resolves when more output can be taken. It rejects if the output is not
   * text, or if the execution has ended. If the handler ignores a rejection, the execution is Failed with it.
   */
  write(output: string | Uint8Array): Promise<void>;
}

/** If it throws, the execution is Failed, with the message of the error and exit code 1. An invalid result does the same. */
export type Handler = (request: AgentRequest, context: HandlerContext) => HandlerResult | Promise<HandlerResult>;
