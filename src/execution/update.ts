// One update of an execution, as a caller gets it; and what the log of updates needs. Types only.

/** One message of an execution. `Output`: string, or Buffer with `encoding: 'buffer'`. */
export interface ExecutionUpdate<Output = string> {
  /** The id of the execution. */
  readonly taskId: string;
  /** `'started'` first, then any number of `'running'`, and one of `'completed'` or `'failed'`. */
  readonly status: 'started' | 'running' | 'completed' | 'failed';
  /** Output of a running update, or the own output of the terminal one. */
  readonly output?: Output;
  /** The channel of a running update, if the agent says it. */
  readonly channel?: 'stdout' | 'stderr';
  /** Set on a running update that has progress and no output. */
  readonly type?: 'progress';
  /** What the agent's `context.progress(value)` has said. */
  readonly progress?: unknown;
  /** What the agent says about a failure, in the terminal update. */
  readonly error?: string;
  /** The exit code, in the terminal update. */
  readonly exitCode?: number;
  /**
   * Bytes of running output, counted from the first, that this reader has missed for good: it came too late for them, or
   * they were lost with a connection. The update carries no output.
   */
  readonly gap?: { readonly from: number; readonly to: number };
}

/** @internal */
export interface UpdateBounds {
  /** Bytes kept for readers that come late; the oldest are dropped. */
  readonly kept: number;
  /** Bytes kept for a pulling reader that is slow; beyond it the source is held back. */
  readonly slow: number;
}

/** @internal */
export interface UpdatesOwner {
  /** A pulling reader has fallen behind by more than the bound (true), or none is behind any more. */
  throttle(on: boolean): void;
  /** The slowest iterator has taken this many bytes more, as counted on the wire. `isAll`: it has taken all that has arrived. */
  taken(bytes: number, isAll: boolean): void;
}
