// What callers write to execute a request. Types only: src/options.ts checks them, and a test holds both equal.

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
   * @default a random id
   */
  readonly taskId?: string | undefined;
  /**
   * `request.input` of the handler; for the command agent, the standard input of the program. A text is sent as UTF-8. It needs
   * wire v2: without it `result` rejects with UNSUPPORTED.
   * @default none
   */
  readonly input?: string | Uint8Array | undefined;
}

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
   * `result.output` begins with the running output, up to 16 MiB; the rest is counted in `truncatedBytes`.
   * @default false
   */
  readonly collect?: boolean | undefined;
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
