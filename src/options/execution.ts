// What callers write to execute a request. Types only: src/option-schemas.ts checks them, and a test holds both equal.
import type { StandardSchema } from '../standard-schema.ts';

/** A request to an agent. A request that is not valid rejects `result` with INVALID_OPTIONS. */
export interface ExecuteRequestInput {
  /** The name of the handler; for the command agent, the program. */
  readonly command: string;
  /**
   * The arguments of the handler or the program.
   * @default []
   */
  readonly args?: readonly string[] | undefined;
  /**
   * Variables for this execution. The command agent adds them to the environment of its program.
   * @default {}
   */
  readonly env?: Readonly<Record<string, string>> | ReadonlyMap<string, string> | undefined;
  /**
   * The id of the execution, 1 to 1,024 characters. An id that is in flight attaches to that execution if the request is the same;
   * another request rejects with INVALID_OPTIONS.
   * @default `<instance id>/<number>`, in a pool `<pool id>/<number>`
   */
  readonly taskId?: string | undefined;
  /**
   * `request.input` of the handler; for the command agent, the standard input of the program: a text, which is sent as UTF-8, bytes,
   * a stream such as `process.stdin`, or `{ file: path }`. A stream and a file are read to their end before the request is sent; one
   * that has more than 16 MiB or cannot be read rejects with INVALID_OPTIONS. On wire v1 the input must be UTF-8, else `result`
   * rejects with UNSUPPORTED; and the agent must have announced `input`, else with INVALID_OPTIONS.
   * @default none
   */
  readonly input?: string | Uint8Array | AsyncIterable<string | Uint8Array> | { readonly file: string } | undefined;
  /**
   * The directory in which the command agent runs the program. For an agent that does not honour it: INVALID_OPTIONS.
   * @default the working directory of the agent
   */
  readonly workingDirectory?: string | undefined;
  /**
   * How long the command agent lets the program run, in ms. After it the agent ends the program, and answers with exit code 124. For
   * an agent that does not honour it: INVALID_OPTIONS.
   * @default none
   */
  readonly timeout?: number | undefined;
  /**
   * What becomes of processes that the program has left behind: `'end'`: they are ended; `'keep'`: they live as long as the instance.
   * For an agent that does not honour it: INVALID_OPTIONS.
   * @default none: 'end'
   */
  readonly background?: 'end' | 'keep' | undefined;
}

/** How a request is to be run: the settings of it that an agent has to honour. */
export type RequestSettings = Pick<ExecuteRequestInput, 'workingDirectory' | 'timeout' | 'background'>;

/** The options of `execute()`. Durations are in ms. */
export interface ExecuteOptions {
  /**
   * Cancels the execution: `result` rejects with CANCELLED.
   * @default none
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * The longest time of this execution, in ms, its wait for a session included. After it `result` rejects with EXECUTION_TIMEOUT.
   * @default `timeout` of the spec
   */
  readonly timeout?: number | undefined;
  /**
   * The longest time in which the agent sends nothing for this execution, in ms. After it `result` rejects with EXECUTION_TIMEOUT.
   * Time without a connection, or in which a slow reader holds the execution back, does not count.
   * @default none
   */
  readonly idleTimeout?: number | undefined;
  /**
   * How much of the running output `result` has, in bytes each of stdout and stderr; the rest is counted in `truncatedBytes`. A number
   * up to 16 MiB, or `true`, which is 16 MiB: `result.output` begins with it. `false`: none of it.
   * @default none: the first 1 MiB, and `result.output` has it where the terminal message has no output
   */
  readonly collect?: boolean | number | undefined;
  /**
   * Cancels the execution when its reader leaves the `for await` loop: `result` rejects with CANCELLED.
   * @default false
   */
  readonly cancelOnReturn?: boolean | undefined;
  /**
   * `'utf8'`: outputs are texts, and bytes that are no UTF-8 become U+FFFD. `'buffer'`: outputs are Buffers with the bytes as they
   * are. This needs wire v2: without it `result` rejects with UNSUPPORTED.
   * @default 'utf8'
   */
  readonly encoding?: 'utf8' | 'buffer' | undefined;
  /**
   * If the agent answers Failed, `result` rejects with EXECUTION_FAILED. With `false` it resolves with the status `'failed'`.
   * @default true
   */
  readonly reject?: boolean | undefined;
}

/** The options of `call()`. Any fault rejects with INVALID_OPTIONS. */
export interface CallOptions<Result = unknown> extends Pick<ExecuteOptions, 'signal' | 'timeout' | 'idleTimeout'> {
  /**
   * Any Standard Schema (zod, valibot, arktype, …): it checks the result, and the call resolves with what it gives. A result that it
   * refuses rejects with INVALID_RESULT.
   * @default none: no check
   */
  readonly result?: StandardSchema<unknown, Result> | undefined;
  /**
   * Called with each value that the agent's `context.progress(value)` has sent.
   * @default none
   */
  readonly onProgress?: ((value: unknown) => void) | undefined;
}
