// The options of createSpearlet(), as callers write them. Types only: src/option-schemas.ts checks them, and a test holds both equal.

/** The options of `createSpearlet()`. All may be left out. Durations are in ms and sizes in bytes. */
export interface SpearletOptions {
  /**
   * The address on which listeners open: a loopback address or `'localhost'`. Any other address fails with INVALID_OPTIONS.
   * @default '127.0.0.1'
   */
  readonly host?: string | undefined;
  /**
   * The ports of listeners over TCP and WebSockets, or 0: the system chooses. If every port of the range is in use, a start fails
   * with PORTS_EXHAUSTED.
   * @default { from: 9_100, to: 32_767 }
   */
  readonly ports?: 0 | PortRange | undefined;
  /**
   * `'perInstance'`: each instance has a listener of its own. `'shared'`: all instances over TCP share one.
   * @default 'perInstance'
   */
  readonly listener?: 'perInstance' | 'shared' | undefined;
  /**
   * The longest time from the spawn of a program to its authentication, in ms. After it a start fails with CONNECT_TIMEOUT.
   * @default 30_000
   */
  readonly connectTimeout?: number | undefined;
  /**
   * The longest time from a connection to its authentication, in ms. After it the connection ends with AUTH_TIMEOUT.
   * @default 5_000
   */
  readonly authTimeout?: number | undefined;
  /**
   * How long the host waits for an agent to reconnect, in ms. After it the incarnation ends with LINK_LOST, or with HEARTBEAT_LOST
   * where the agent was silent. With the transport 'fd' it is 250 ms at most.
   * @default 10_000
   */
  readonly reconnectWindow?: number | undefined;
  /**
   * How long a program may take to end by itself when it is stopped, in ms. After it the whole process tree gets SIGKILL.
   * @default 5_000
   */
  readonly grace?: number | undefined;
  /**
   * How the host notices that an agent no longer answers. The connection then ends with HEARTBEAT_LOST.
   * @default { interval: 10_000, misses: 3 }
   */
  readonly heartbeat?: HeartbeatOptions | undefined;
  /**
   * How often an instance may fail, and how long a restart waits. Beyond it the instance stops for good with RESTART_LIMIT.
   * @default { intensity: 3, period: 60_000, backoff: { min: 200, max: 30_000, jitter: 'full' } }
   */
  readonly restart?: RestartIntensity | undefined;
  /**
   * The versions of the wire that agents may speak. Agents of `spearlet/agent` speak the highest; agents in other languages need 1.
   * An agent without a common version fails with VERSION_MISMATCH.
   * @default [1, 2]
   */
  readonly protocols?: readonly (1 | 2)[] | undefined;
  /**
   * The largest frame after authentication, in bytes, up to 4 GiB. A larger one fails with FRAME_TOO_LARGE.
   * @default 33_554_432
   */
  readonly maxFrameBytes?: number | undefined;
  /**
   * The largest frame before authentication, in bytes. A larger one ends the connection with FRAME_TOO_LARGE.
   * @default 16_384
   */
  readonly maxPreAuthFrameBytes?: number | undefined;
  /**
   * The most executions in flight of one instance (a count). One more rejects with OVERLOADED.
   * @default 1_024
   */
  readonly maxInFlight?: number | undefined;
  /**
   * The most bytes of unsent requests of one instance. Beyond it an execution rejects with OVERLOADED.
   * @default 8_388_608
   */
  readonly maxQueuedBytes?: number | undefined;
  /**
   * How many programs may be starting for the first time at once, and as many restarts (a count). Further ones wait.
   * @default 4
   */
  readonly maxConcurrentStarts?: number | undefined;
  /**
   * A folder in which the host records the programs that it has started. After a host was killed, the next host with the same
   * folder ends what is left. If it cannot be used, `createSpearlet()` throws STATE_UNWRITABLE.
   * @default none: nothing is recorded
   */
  readonly stateDir?: string | undefined;
  /**
   * Whether the programs end when this process exits (`process.exit()`, an uncaught exception), or gets SIGTERM, SIGINT or SIGHUP while
   * it has no listener of its own for the signal. The signal is raised again when they have ended.
   * @default true
   */
  readonly endWithHost?: boolean | undefined;
  /**
   * A pino logger, or any object with the same methods; `false`: no log.
   * @default a pino logger at level info, to stderr
   */
  readonly logger?: Logger | false | undefined;
  /**
   * An observer of the inspection events of XState: a function, or an object with `next`. What it throws is ignored.
   * @default none
   */
  readonly inspect?: Inspect | undefined;
}

/** A range of ports, both ends included. `from` must not be above `to`. */
export interface PortRange {
  /** The first port, from 1. */
  readonly from: number;
  /** The last port, up to 65,535. */
  readonly to: number;
}

/** How the host notices that an agent no longer answers. */
export interface HeartbeatOptions {
  /**
   * The time between two heartbeats, in ms; at least 10.
   * @default 10_000
   */
  readonly interval?: number | undefined;
  /**
   * The connection ends with HEARTBEAT_LOST after this many silent heartbeat intervals in a row (a count; at least 2: a 1 counts as 2).
   * @default 3
   */
  readonly misses?: number | undefined;
}

/** The restart intensity: one instance may fail `intensity` times per `period`. One failure more stops it with RESTART_LIMIT. */
export interface RestartIntensity {
  /**
   * How many failures within `period` are followed by a restart (a count); Infinity: it never gives up.
   * @default 3
   */
  readonly intensity?: number | undefined;
  /**
   * The time within which failures are counted, in ms.
   * @default 60_000
   */
  readonly period?: number | undefined;
  /**
   * How long a restart waits.
   * @default { min: 200, max: 30_000, jitter: 'full' }
   */
  readonly backoff?: BackoffOptions | undefined;
}

/** How long a restart waits. The bound of the wait is `min` at first and doubles with each failure, up to `max`; see `jitter`. */
export interface BackoffOptions {
  /**
   * The shortest wait, and the bound of the first one, in ms. It must not be above `max`.
   * @default 200
   */
  readonly min?: number | undefined;
  /**
   * The longest wait, in ms.
   * @default 30_000
   */
  readonly max?: number | undefined;
  /**
   * Randomness of the wait below its bound, so that instances do not restart all at once. `'full'`: any time between `min` and the
   * bound; `'equal'`: at least half of the bound; `'none'`: the bound itself.
   * @default 'full'
   */
  readonly jitter?: 'full' | 'equal' | 'none' | undefined;
}

/** The part of a pino logger that spearlet uses. */
export interface Logger {
  /** Returns a logger that adds `bindings` to every line. */
  child(bindings: Record<string, unknown>): Logger;
  /** Is not called at present. */
  trace(facts: object, message: string): void;
  /** Logs the states of instances, ends of connections that had no session, and unexpected messages. */
  debug(facts: object, message: string): void;
  /** Logs programs that start or end as they should, connections with a session, and the states of pools. */
  info(facts: object, message: string): void;
  /** Logs what may need attention: programs that fail, lost or refused connections, unresponsive agents. */
  warn(facts: object, message: string): void;
  /** Logs instances and pools that are given up, subscribers that throw, and defects of spearlet itself. */
  error(facts: object, message: string): void;
}

/** An observer of the inspection events of XState. */
export type Inspect =
  | ((event: never) => void)
  | {
      /** Is called with each event. */
      next?: (event: never) => void;
    };
