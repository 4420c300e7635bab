// The one error class of spearlet and the table of its codes. It knows nothing of where an error came from.
import { inspect } from 'node:util';

/** Every code, with what it means and what a caller can do. docs/errors.md is generated from this table. */
export const errorCodes = {
  INVALID_OPTIONS:
    'An option or argument is not valid. `issues` has the path and value of each fault and the nearest known key. Correct them.',
  INVALID_CONFIG:
    'A configuration file is not valid. `issues` has the path and value of each fault and the nearest known key. Correct them.',
  SPAWN_FAILED:
    'The program could not be started: it is missing or not executable, or its working directory is missing. spearlet does not retry.',
  CONTAINMENT_UNAVAILABLE:
    'The containment of `requireContainment` is not possible here. The message says what is possible, and why. Nothing was started.',
  CONNECT_TIMEOUT: 'The program runs, but it did not connect and authenticate within `connectTimeout`. `stderr` has the end of its stderr.',
  EXITED_BEFORE_READY: 'The program ended before it authenticated. `exitCode`, `signal` and the end of its `stderr` are attached.',
  AUTH_REFUSED: 'The host refused the token or the instance id. It does not say which, on purpose.',
  AUTH_TIMEOUT: 'The connection did not authenticate within `authTimeout`.',
  ALREADY_CLAIMED: 'The token is right, but the instance has a session that is alive. Try again after that session has ended.',
  PORTS_EXHAUSTED: 'Every port of the configured range is in use, by instances or by other programs. Widen the range, or use `ports: 0`.',
  LISTEN_FAILED: 'The listener could not be opened. The reason is not a port in use; see `cause`.',
  PROTOCOL_ERROR: 'The peer sent bytes that do not follow the wire format. Its connection was closed; nothing else was affected.',
  FRAME_TOO_LARGE:
    'A frame announces, or would need, more bytes than `maxFrameBytes` (before authentication: `maxPreAuthFrameBytes`) allows.',
  UNSUPPORTED: 'The agent speaks a version of the wire that cannot carry this. Nothing was sent.',
  VERSION_MISMATCH: 'Host and agent speak no common version of the wire. The message names the versions of both.',
  EXECUTION_FAILED: 'The agent answered Failed. `exitCode`, `output` and `error` are those of its answer.',
  EXECUTION_TIMEOUT: 'The execution did not end within its timeout. The agent was told to cancel it.',
  CANCELLED: 'The caller cancelled. The agent was told to cancel, too.',
  NOT_DELIVERED: 'Not one byte of the request was handed to the socket. A retry is safe.',
  OUTCOME_UNKNOWN: 'The request may have been executed, wholly or in part. No answer will come.',
  OVERLOADED:
    'The bound on queued bytes (`maxQueuedBytes`), on executions in flight (`maxInFlight`), or on the `queue` of a pool is reached. Try again later, or raise the bound.',
  HEARTBEAT_LOST: 'The agent did not answer its heartbeats.',
  LINK_LOST: 'The connection was lost, and the agent did not reconnect within `reconnectWindow`.',
  MEMORY_EXCEEDED: 'The process tree used more memory than `maxMemory`.',
  UNRESPONSIVE: 'The agent was told to cancel an execution and did not end it within `grace`. It was restarted (`onUnresponsive`).',
  RESTART_LIMIT: 'The instance failed more often than the restart intensity allows. It is not restarted any more.',
  INSTANCE_STOPPED: 'The instance is stopped or stopping. It takes no more executions.',
  POOL_STOPPED:
    'The pool is stopped, stopping or draining. It takes no more executions. `cause` has the failure that has ended it, if one has.',
  STOPPED: 'The spearlet is stopped or stopping. It starts nothing more.',
  STATE_UNWRITABLE: 'The folder `stateDir` could not be created, read or written, or others may write to it. See the message and `cause`.',
  INTERNAL: 'A defect of spearlet itself. The instance concerned was ended; nothing else was affected.',
} as const;

/** A stable code of an error: a key of `errorCodes`, which has its meaning. */
export type ErrorCode = keyof typeof errorCodes;

/** One fault of an option or a configuration: where, what was found, what to do. */
export interface OptionIssue {
  /** Where the fault is, like `heartbeat.interval`. */
  readonly path: string;
  /** The value that was found. */
  readonly value?: unknown;
  /** What is wrong with it. */
  readonly message: string;
  /** The nearest known key, for an unknown one. */
  readonly didYouMean?: string;
}

/** The ids and facts an error may carry beside its code. Durations in ms. */
export interface ErrorFacts {
  /** The instance concerned. */
  readonly instanceId?: string | undefined;
  /** The name of what it runs. */
  readonly artifactId?: string | undefined;
  /** The pool concerned. */
  readonly poolId?: string | undefined;
  /** The execution concerned. */
  readonly taskId?: string | undefined;
  /** The exit code of the execution, or of the program. */
  readonly exitCode?: number | null | undefined;
  /** The signal that ended the program. */
  readonly signal?: string | null | undefined;
  /** The output of the execution. */
  readonly output?: string | Buffer | null | undefined;
  /** What the agent itself called the error. */
  readonly error?: string | null | undefined;
  /** The last lines of what the program wrote to stderr. */
  readonly stderr?: string | undefined;
  /** How many connections were refused while the instance started. */
  readonly refused?: number | undefined;
  /** Bytes of output that are missing in `output`. */
  readonly truncatedBytes?: number | undefined;
  /** The faults of an option or a configuration. */
  readonly issues?: readonly OptionIssue[] | undefined;
}

/** Every failure that spearlet reports. `code` is stable; `message` is for people; `hint` says what to do. */
export class SpearletError extends Error {
  /** The name of the class, for logs. */
  override readonly name = 'SpearletError';
  /** Which failure it is. Codes are stable; docs/errors.md has their meanings. */
  readonly code: ErrorCode;
  /** What to do about it. */
  readonly hint: string | undefined;
  /** The instance concerned. */
  declare readonly instanceId: string | undefined;
  /** The name of what it runs. */
  declare readonly artifactId: string | undefined;
  /** The pool concerned. */
  declare readonly poolId: string | undefined;
  /** The execution concerned. */
  declare readonly taskId: string | undefined;
  /** The exit code of the execution, or of the program. */
  declare readonly exitCode: number | null | undefined;
  /** The signal that ended the program. */
  declare readonly signal: string | null | undefined;
  /** The output of the execution. */
  declare readonly output: string | null | undefined;
  /** What the agent itself called the error. */
  declare readonly error: string | null | undefined;
  /** The last lines of what the program wrote to stderr. */
  declare readonly stderr: string | undefined;
  /** How many connections were refused while the instance started. */
  declare readonly refused: number | undefined;
  /** Bytes of output that are missing in `output`. */
  declare readonly truncatedBytes: number | undefined;
  /** The faults of an option or a configuration. */
  declare readonly issues: readonly OptionIssue[] | undefined;

  /** `message` is for people, `facts` become properties of the error. */
  constructor(
    code: ErrorCode,
    message: string,
    { cause, hint, ...facts }: ErrorFacts & { cause?: unknown; hint?: string | undefined } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.hint = hint;
    Object.assign(this, facts);
  }
}

/** The longest reason, in UTF-16 units. */
const MAX_REASON = 65_536;

/** In words, as far as they can be had: every step runs code of whoever made the value, and any of it may throw. */
function wordsOf(thrown: unknown): string {
  try {
    // Errors of other realms are no instance of our Error; what has a message is taken at its word.
    const message = (thrown as { message?: unknown } | null | undefined)?.message;
    if (typeof message === 'string' && message !== '') return message;
  } catch {
    // A getter or a proxy.
  }
  try {
    if (thrown instanceof Error || (typeof thrown !== 'object' && typeof thrown !== 'function')) return String(thrown);
  } catch {
    // Its name or message has no text.
  }
  try {
    return inspect(thrown, { depth: 1, breakLength: Number.POSITIVE_INFINITY });
  } catch {
    return 'something that cannot be put into words';
  }
}

/**
 * The text of anything that was thrown. Never throws, is never empty, well-formed and at most about 64 Ki units long.
 * @internal
 */
export function reasonOf(thrown: unknown): string {
  const words = wordsOf(thrown);
  if (words.length > MAX_REASON) return `${words.slice(0, MAX_REASON).toWellFormed()}… (${words.length} characters in all)`;
  if (words === '' || thrown === undefined || thrown === null) return `no reason was given (${words || 'an empty text'})`;
  return words.toWellFormed();
}
