// The limits that no option changes, and the defaults that files without zod need. Sizes are in bytes and durations in ms,
// unless a comment says otherwise. It imports nothing.

/** The option `maxFrameBytes`, and the limit of an agent whose environment has no SPEARLET_MAX_FRAME_BYTES. */
export const DEFAULT_MAX_FRAME_BYTES = 32 * 2 ** 20;

/** How long a program may take to end by itself when it is stopped: the option `grace`, and `--grace` of `spearlet run`. */
export const DEFAULT_GRACE = 5_000;

/** The option `heartbeat`. An agent whose environment has no SPEARLET_SILENCE_MS takes their product for the longest silence. */
export const DEFAULT_HEARTBEAT = { interval: 10_000, misses: 3 };

/** The longest time of a timer of Node, in ms: a longer one would expire after 1 ms. */
export const MAX_MS = 2 ** 31 - 1;

export const bounds = {
  /** Unauthenticated connections of one listener (a count). */
  pendingConnections: 4,
  /** The tail of a program's output. */
  keptOutput: 64 * 1024,
  /** Updates that are replayed to a reader that subscribes late. */
  keptUpdates: 64 * 1024,
  /** Updates that are buffered for a slow reader. Above this, on wire v1, the host pauses reading from the socket. */
  slowReader: 2 ** 20,
  /** Running output that a result has where no `collect` was given, for each channel. */
  collectedByDefault: 2 ** 20,
  /** The most that `collect` keeps, for each channel. */
  collected: 16 * 2 ** 20,
  /** How often a pool executes an idempotent request whose outcome is unknown (a count). */
  poolAttempts: 3,
  /** Lines of stderr in an exit report (a count). */
  reportedLines: 20,
  /** Ids of answered heartbeats that each side of a connection remembers (a count). */
  answeredHeartbeats: 1_024,
  /** Transitions that are remembered for each instance and each connection (a count). */
  keptTransitions: 20,
  /** Message text that the trace keeps, in characters. */
  tracedText: 200,
  /** Text of an agent or a program that is quoted in a message, in characters. */
  quoted: 1_000,
  /** Refused connections that `explain()` lists for each instance (a count). */
  keptRefusals: 5,
  /** Refused connections that are logged at 'warn' for each start (a count). */
  loggedRefusals: 5,
  /** Stopped instances that `explain()` still knows (a count). */
  keptStopped: 100,
  /** Unread lines of the default logger or of `spearlet run`. Lines above this are dropped and counted. */
  unreadLines: 2 ** 20,
  /** The `input` of a request that is a stream or a file. */
  requestInput: 16 * 2 ** 20,
  /** The standard input that `spearlet exec` reads. */
  execInput: 16 * 2 ** 20,
  /** A line of an agent's output that `spearlet run --json` shows, in UTF-16 units; the rest of the line is counted. As text, lines are cut at `quoted`. */
  outputLine: 64 * 1024,
  /** Bytes that an agent gives to a framed channel before they are sent. Further responses wait in the agent. */
  agentUnsent: 256 * 1024,
  /** Results that an agent sends again after a reconnect (a count). */
  agentReplayedResults: 64,
  /** The size of these results, in UTF-16 units. */
  agentReplayedSize: 2 ** 20,
  /** Output that an execution may send on wire v2 before its reader has taken it, at first. */
  window: 64 * 1024,
  /** The same for an execution whose reader keeps up. */
  largestWindow: 2 ** 20,
  /** The most bytes by which all windows of one instance together may grow. */
  lentWindows: 16 * 2 ** 20,
  /** One Running update of an agent on wire v2: bytes, or UTF-16 units of a text. */
  outputPiece: 16 * 1024,
  /** One Running update of an agent on wire v1, in UTF-16 units. */
  agentUpdate: 2 ** 20,
} as const;
