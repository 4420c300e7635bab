// The types of the charts that callers of spearlet see. It imports nothing, so that the published types need no xstate.

/** Why an incarnation ended. */
export type ExitReason =
  /** The program ended by itself: with exit code 0 or one of `successCodes`, or by SIGTERM. */
  | 'completed'
  /** The program ended by itself: with another exit code, by another signal, or before it was ready. */
  | 'crashed'
  /** It was stopped. */
  | 'stopped'
  /** `instance.restart()` was called: the next incarnation begins at once. */
  | 'restarted'
  /** The program could not be started. */
  | 'spawn'
  /** The listener could not be opened. */
  | 'listen'
  /** The agent did not connect and authenticate within `connectTimeout`. */
  | 'connect'
  /** The agent did not answer its heartbeats, and did not reconnect. */
  | 'heartbeat'
  /** The agent lost its connection and did not reconnect within `reconnectWindow`. */
  | 'link'
  /** The process tree used more than `maxMemory`. */
  | 'memory'
  /** The agent did not end a cancelled execution within `grace`, and `onUnresponsive` is `'restart'`. */
  | 'unresponsive'
  /** The instance is given up: it failed more often than the restart intensity allows (RESTART_LIMIT). */
  | 'restart'
  /** A defect of spearlet itself. */
  | 'internal';

/** How far the ending of a program had to go: a request to its agent, its kill signal (SIGTERM by default), SIGKILL. */
export type StopStage = 'asked' | 'signalled' | 'killed';

/** The state of a pool: it starts its first members, takes executions, finishes those it has, ends its members, has ended. */
export type PoolState = 'opening' | 'open' | 'draining' | 'stopping' | 'stopped';
