// What callers write to run one program, and what they get. Types only: src/run.ts checks them, and a test holds both equal.

/** The options of `run()`. Any fault rejects with INVALID_OPTIONS. */
export interface RunOptions {
  /**
   * The standard input of the program: a text, which is sent as UTF-8, bytes, a stream such as `process.stdin`, or `{ file: path }`.
   * @default none: its stdin is at its end
   */
  readonly input?: string | Uint8Array | AsyncIterable<string | Uint8Array> | { readonly file: string } | undefined;
  /**
   * The working directory of the program.
   * @default the working directory of this process
   */
  readonly workingDirectory?: string | undefined;
  /**
   * Variables that are added to the clean environment of a started program, which has HOME, PATH, LANG and a few more.
   * @default {}
   */
  readonly env?: Readonly<Record<string, string>> | ReadonlyMap<string, string> | undefined;
  /**
   * The longest time that the program may take, in ms; the start of its agent does not count. After it `run()` rejects with
   * EXECUTION_TIMEOUT.
   * @default none
   */
  readonly timeout?: number | undefined;
  /**
   * The longest time in which the program writes nothing, in ms. After it `run()` rejects with EXECUTION_TIMEOUT.
   * @default none
   */
  readonly idleTimeout?: number | undefined;
  /**
   * Ends the program, and all that it has started: `run()` rejects with CANCELLED.
   * @default none
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * The memory limit of the program and all that it has started: bytes, or a text like `'1GB'`. Beyond it they are killed, with
   * MEMORY_EXCEEDED.
   * @default none
   */
  readonly maxMemory?: number | string | undefined;
  /**
   * `'buffer'`: `stdout` and `stderr` are bytes. `'utf8'`: they are texts, and bytes that are no UTF-8 become U+FFFD.
   * @default 'utf8'
   */
  readonly encoding?: 'utf8' | 'buffer' | undefined;
  /**
   * How much of stdout and of stderr is kept, in bytes, up to 16 MiB, which `true` means. The rest is counted in `truncatedBytes`.
   * @default none: `true`
   */
  readonly collect?: boolean | number | undefined;
  /**
   * Another exit code than 0 rejects with EXECUTION_FAILED. With `false` it is a result.
   * @default true
   */
  readonly reject?: boolean | undefined;
}

/** What a program has written, and how it has ended. `Output`: string, or Buffer with `encoding: 'buffer'`. */
export interface RunResult<Output = string> {
  /** What the program has written to stdout. */
  readonly stdout: Output;
  /** What the program has written to stderr. */
  readonly stderr: Output;
  /** 128 + n where signal n has ended the program; 127 where there is no such program, 126 where it cannot be executed. */
  readonly exitCode: number;
  /** Why the program has failed, in words; null where it has not. */
  readonly error: string | null;
  /** Bytes of stdout and stderr beyond what is kept. */
  readonly truncatedBytes: number;
}
