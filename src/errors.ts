// The one error class of spearlet and the table of its codes. It knows nothing of where an error came from.
import { inspect } from 'node:util';

/** Every code, with what it means and what a caller can do. docs/errors.md is generated from this table. */
export const errorCodes = {
  INVALID_OPTIONS:
    'An option or argument is not valid. `issues` has the path and value of each fault and the nearest known key. Correct them.',
  INVALID_CONFIG:
    'A configuration file is not valid. `issues` has the path and value of each fault and the nearest known key. Correct them.',
  SPAWN_FAILED:
    'The program could not be started: it is missing or not executable, or its working directory is missing. It is tried again in a restart, and in a first start with `retryStart`, within the restart intensity.',
  CONTAINMENT_UNAVAILABLE:
    'The containment of `requireContainment` is not possible here. The message says what is possible, and why. Nothing was started.',
  CONNECT_TIMEOUT: 'The program runs, but it did not connect and authenticate within `connectTimeout`. `stderr` has the end of its stderr.',
  EXITED_BEFORE_READY: 'The program ended before it authenticated. `exitCode`, `signal` and the end of its `stderr` are attached.',
  AUTH_REFUSED: 'The host refused the token or the instance id. It does not say which, on purpose.',
  AUTH_TIMEOUT: 'The connection did not authenticate within `authTimeout`.',
  ALREADY_CLAIMED: 'The token is right, but the instance has a session that is alive. Try again after that session has ended.',
  PORTS_EXHAUSTED: 'Every port of the configured range is in use, by instances or by other programs. Widen the range, or use `ports: 0`.',
  LISTEN_FAILED: 'The listener could not be opened. This is not a port conflict; see `cause`.',
  PROTOCOL_ERROR: 'The peer sent bytes that do not follow the wire format. Its connection was closed; nothing else was affected.',
  FRAME_TOO_LARGE:
    'A frame announces, or would need, more bytes than `maxFrameBytes` (before authentication: `maxPreAuthFrameBytes`) allows.',
  UNSUPPORTED: 'The agent speaks a version of the wire that cannot carry this. Nothing was sent.',
  VERSION_MISMATCH: 'Host and agent speak no common version of the wire. The message names the versions of both.',
  EXECUTION_FAILED: 'The agent answered Failed. `exitCode`, `output` and `error` are those of its answer.',
  INVALID_ARGUMENT:
    'The argument of a `call()` is not valid: it cannot be converted to JSON, or the schema of the agent has refused it, and then its handler did not run. `issues` has each fault.',
  INVALID_RESULT:
    'The result of a `call()` is not valid: it is not JSON, or the schema of the caller has refused it. `issues` has each fault.',
  EXECUTION_TIMEOUT: 'The execution did not end within its timeout. The agent was told to cancel it.',
  CANCELLED: 'The caller cancelled. The agent was told to cancel, too.',
  NOT_DELIVERED: 'The request was never handed to the socket whole, so it was not executed. A retry is safe.',
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

/** What to do about each code, where an error has no better hint of its own. */
const hints: Readonly<Record<ErrorCode, string>> = {
  INVALID_OPTIONS: 'Correct the options that `issues` names; docs/options.md has all of them.',
  INVALID_CONFIG: 'Correct the keys that `issues` names; docs/command-line.md has all of them.',
  SPAWN_FAILED: 'Run the command by hand, in the same working directory. Is it installed, executable, and in PATH?',
  CONTAINMENT_UNAVAILABLE: 'Ask for less in `requireContainment`, or allow user namespaces on this system.',
  CONNECT_TIMEOUT:
    'An agent connects to SPEARLET_ADDR and sends an AuthRequest with SPEARLET_TOKEN; serve() of spearlet/agent does both. Is `connectTimeout` long enough?',
  EXITED_BEFORE_READY: 'Run the program by hand: it has to stay, connect to SPEARLET_ADDR, and authenticate.',
  AUTH_REFUSED:
    'Give the agent the environment of this start: SPEARLET_TOKEN and SPEARLET_INSTANCE_ID are valid for one start of one program only.',
  AUTH_TIMEOUT: 'Send the AuthRequest as the first message, at once after connecting.',
  ALREADY_CLAIMED: 'Connect one agent per instance; a second one must wait until the first has disconnected.',
  PORTS_EXHAUSTED: 'Widen `ports`, or use `ports: 0` and let the system choose.',
  LISTEN_FAILED: 'Look at `cause`: it has the error of the system.',
  PROTOCOL_ERROR: 'Compare what the agent sends with docs/protocol.md.',
  FRAME_TOO_LARGE: 'Send it in pieces, or raise `maxFrameBytes`.',
  UNSUPPORTED: 'Use an agent that speaks wire v2, such as one on serve() of spearlet/agent, or send bytes as text.',
  VERSION_MISMATCH: 'Use the same version of spearlet on both sides, or allow more in the option `protocols`.',
  EXECUTION_FAILED:
    'See `error`, `stderr` and `exitCode`. Where a handler has thrown, `cause` has its stack. With `reject: false`, `result` resolves instead.',
  INVALID_ARGUMENT: 'Correct what `issues` names: the schema of the handler says what it takes.',
  INVALID_RESULT: 'Correct the handler, or the schema in `result`.',
  EXECUTION_TIMEOUT: 'Raise `timeout`, or look why the agent takes so long: `output` and `stderr` have what had arrived.',
  CANCELLED: 'No action is needed: the caller cancelled it. `cause` has the reason of its AbortSignal.',
  NOT_DELIVERED: 'Execute it again.',
  OUTCOME_UNKNOWN:
    "Find out whether it was executed before you execute it again. Only if a second execution does no harm, use a pool with `retry: 'idempotent'`: it executes the request again by itself.",
  OVERLOADED: 'Wait for results before you execute more, or raise the bound that the message names.',
  HEARTBEAT_LOST: 'An agent has to answer heartbeats while it works: do not block its event loop, or raise `heartbeat.interval`.',
  LINK_LOST: 'An agent has to reconnect within `reconnectWindow`; serve() of spearlet/agent does.',
  MEMORY_EXCEEDED: 'Raise `maxMemory`, or let the program use less.',
  UNRESPONSIVE: 'Let the handler follow `context.signal`, or raise `grace`.',
  RESTART_LIMIT: 'See the last failure in the message and in `explain(id)`. Raise `restart.intensity` if such failures are normal.',
  INSTANCE_STOPPED: 'Start another instance.',
  POOL_STOPPED: 'Open another pool.',
  STOPPED: 'Create another spearlet.',
  STATE_UNWRITABLE: 'Use a folder of this user that nobody else may write to: `chmod 700`.',
  INTERNAL: 'Please report it, with the message and the stack.',
};

/**
 * What to do about an error of this code.
 * @internal
 */
export const hintOf = (code: ErrorCode): string => hints[code];

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
  /** The output of the execution, as far as it had arrived. With `encoding: 'buffer'` it is a Buffer, also where the type says string. */
  readonly output?: string | Buffer | null | undefined;
  /** What the agent itself called the error. */
  readonly error?: string | null | undefined;
  /** The stderr of the execution, as `output`; or of a program that failed to start or has ended, the last lines of its stderr. */
  readonly stderr?: string | Buffer | undefined;
  /** Of a failed start: how many connections of the instance were refused with AUTH_REFUSED, for example for a wrong token. */
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
  readonly hint: string;
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
  /** The output of the execution, as far as it had arrived. With `encoding: 'buffer'` it is a Buffer, also where the type says string. */
  declare readonly output: string | null | undefined;
  /** What the agent itself called the error. */
  declare readonly error: string | null | undefined;
  /** The stderr of the execution, as `output`; or of a program that failed to start or has ended, the last lines of its stderr. */
  declare readonly stderr: string | undefined;
  /** Of a failed start: how many connections of the instance were refused with AUTH_REFUSED, for example for a wrong token. */
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
    this.hint = hint ?? hints[code];
    Object.assign(this, facts);
  }
}

/**
 * Puts the lines that await the failure into its stack: an error that was made where a message arrived shows no line of the caller.
 * For use in an async function, after an await; `within` is that function. Where nobody awaits it, the stack stays as it is.
 * @internal
 */
export function withCallerOf(error: unknown, within: (...args: never[]) => unknown): unknown {
  const here: { stack?: unknown } = {};
  Error.captureStackTrace(here, within);
  if (!(error instanceof SpearletError) || typeof here.stack !== 'string') return error;
  const frames = here.stack.split('\n').filter(line => /^ +at /.test(line));
  if (frames.length > 0) error.stack = [`${error.name}: ${error.message}`, ...frames].join('\n');
  return error;
}

/**
 * Returns a promise that rejects with `error`; resolve `rejected` with it. It waits two microtasks, because only then V8 can show the
 * line of the caller that awaits `rejected`. Nothing else may await `rejected` until then. A failure that nobody observes raises no
 * unhandledRejection.
 * @internal
 */
export async function rejectionOf(error: SpearletError, rejected: Promise<unknown>): Promise<never> {
  await undefined;
  await undefined;
  withCallerOf(error, rejectionOf);
  rejected.catch(() => {});
  throw error;
}

/** The longest reason, in UTF-16 units. */
const MAX_REASON = 65_536;

/** Puts what was thrown into words. Each step runs code of the thrown value (getters, proxies), which may throw. */
function wordsOf(thrown: unknown): string {
  try {
    // An error of another realm is no instance of Error here. So the `message` of any value counts.
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
