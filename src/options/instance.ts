// What callers write to start, expect and stop an instance. Types only: src/option-schemas.ts checks them, and a test holds both equal.
import type { BackoffOptions } from './spearlet.ts';

/** What connects a program to its host. `'unix'`: a Unix socket; `'ws'`: a WebSocket; `'fd'`: a socket that the program inherits. */
export type Transport = 'tcp' | 'unix' | 'ws' | 'fd';

/** When a program is restarted: `'permanent'` always, `'transient'` after a failure, `'temporary'` never. */
export type RestartPolicy = 'permanent' | 'transient' | 'temporary';

/** What every process of a tree may get before SIGKILL. */
export type KillSignal = 'SIGTERM' | 'SIGINT' | 'SIGQUIT' | 'SIGHUP' | 'SIGUSR1' | 'SIGUSR2' | 'SIGWINCH';

/** What `start()` and `pool()` run, and how. Any fault fails with INVALID_OPTIONS, which names all of them. */
export interface InstanceSpec {
  /**
   * The name of what runs, 1 to 256 characters. The instance id begins with it.
   * @default the last part of `command`
   */
  readonly artifactId?: string | undefined;
  /**
   * How the program is run: as a process of this machine.
   * @default 'process'
   */
  readonly runtimeType?: 'process' | undefined;
  /** The program: a name that is looked up in PATH, or a path. If it cannot be started, `start()` rejects with SPAWN_FAILED. */
  readonly command: string;
  /**
   * The arguments of the program. No shell reads them.
   * @default []
   */
  readonly args?: readonly string[] | undefined;
  /**
   * The working directory of the program. If it is missing, `start()` rejects with SPAWN_FAILED.
   * @default the working directory of the host
   */
  readonly workingDirectory?: string | undefined;
  /**
   * Variables that are added to the clean environment of the program: HOME, LOGNAME, PATH, SHELL, TERM, USER, LANG, TZ and
   * TMPDIR of the host.
   * @default {}
   */
  readonly environment?: Readonly<Record<string, string>> | ReadonlyMap<string, string> | undefined;
  /**
   * The longest time of one execution, in ms. After it the execution is cancelled, and rejects with EXECUTION_TIMEOUT.
   * @default none
   */
  readonly timeout?: number | undefined;
  /**
   * The memory limit of the program with its whole process tree: a number of bytes, or a text like `'1GB'` (10^9) or `'1GiB'`
   * (2^30). Beyond it the tree is killed with MEMORY_EXCEEDED. Samples are at most 250 ms apart.
   * @default none
   */
  readonly maxMemory?: number | string | undefined;
  /**
   * When the program is restarted after its first ready, within the restart intensity.
   * @default 'temporary'
   */
  readonly restart?: RestartPolicy | undefined;
  /**
   * Failures before the first ready are followed by a restart too, within the restart intensity, whatever `restart` says. Beyond it
   * `start()` rejects with RESTART_LIMIT.
   * @default false
   */
  readonly retryStart?: boolean | undefined;
  /**
   * How many failures within `period` are followed by a restart (a count); Infinity: it never gives up. One failure more stops the
   * instance with RESTART_LIMIT.
   * @default `restart.intensity` of createSpearlet()
   */
  readonly intensity?: number | undefined;
  /**
   * The time within which failures are counted, in ms.
   * @default `restart.period` of createSpearlet()
   */
  readonly period?: number | undefined;
  /**
   * How long a restart waits. `min` must not be above `max`.
   * @default `restart.backoff` of createSpearlet(), also for each key that is left out
   */
  readonly backoff?: BackoffOptions | undefined;
  /**
   * Exit codes that count as a clean end, as 0 does; from 0 to 255. A death by signal n has the exit code 128 + n, as in a shell.
   * @default none
   */
  readonly successCodes?: readonly number[] | undefined;
  /**
   * Exit codes after which the program is not started again, whatever `restart` says; from 0 to 255.
   * @default none
   */
  readonly neverRestartOn?: readonly number[] | undefined;
  /**
   * The longest time from the spawn of the program to its authentication, in ms. After it the start fails with CONNECT_TIMEOUT.
   * @default `connectTimeout` of createSpearlet()
   */
  readonly connectTimeout?: number | undefined;
  /**
   * How long the program may take to end by itself when it is stopped, in ms. After it the whole process tree gets SIGKILL.
   * @default `grace` of createSpearlet()
   */
  readonly grace?: number | undefined;
  /**
   * What every process of the tree gets before SIGKILL.
   * @default none: SIGTERM
   */
  readonly killSignal?: KillSignal | undefined;
  /**
   * How many executions run at once (a count); further ones wait.
   * @default none
   */
  readonly maxConcurrency?: number | undefined;
  /**
   * `'namespace'`: a pid namespace of its own, if the system allows it. `instance.containment` says what is in effect.
   * @default 'cookie'
   */
  readonly containment?: 'cookie' | 'namespace' | undefined;
  /**
   * The containment that must hold: a kind of tree, or an object. If less is possible, `start()` rejects with
   * CONTAINMENT_UNAVAILABLE. To require a namespace also asks for one.
   * @default none
   */
  readonly requireContainment?: 'group' | 'cookie' | 'namespace' | ContainmentRequirement | undefined;
  /**
   * What happens to an agent that does not end a cancelled execution within `grace`: `'restart'` ends its incarnation with
   * UNRESPONSIVE, whatever `restart` says.
   * @default 'leave'
   */
  readonly onUnresponsive?: 'leave' | 'restart' | undefined;
  /**
   * What connects the program to its host. If the listener cannot be opened, `start()` rejects with LISTEN_FAILED.
   * @default 'tcp'
   */
  readonly transport?: Transport | undefined;
  /**
   * The origins of web pages that may connect as the agent, as a browser sends them: `'http://localhost:5173'`. Only with
   * `transport: 'ws'`.
   * @default []
   */
  readonly origins?: readonly string[] | undefined;
}

/** The containment that must hold. What is left out is not required. */
export interface ContainmentRequirement {
  /**
   * How the processes of the tree are kept together, at least.
   * @default none
   */
  readonly tree?: 'group' | 'cookie' | 'namespace' | undefined;
  /**
   * No process of the program outlives the host, even if the host is killed. This asks for a namespace.
   * @default none
   */
  readonly diesWithHost?: boolean | undefined;
  /**
   * `maxMemory` is enforced by samples.
   * @default none
   */
  readonly memory?: 'sampled' | undefined;
}

/** What `expect()` waits for: a program that the host does not start. */
export interface ExpectSpec {
  /** The name of what runs, 1 to 256 characters. The instance id begins with it. */
  readonly artifactId: string;
  /**
   * The longest time of one execution, in ms. After it the execution is cancelled, and rejects with EXECUTION_TIMEOUT.
   * @default none
   */
  readonly timeout?: number | undefined;
  /**
   * What connects the program to its host. `'fd'` fails with INVALID_OPTIONS: only a started program inherits a socket.
   * @default 'tcp'
   */
  readonly transport?: Transport | undefined;
  /**
   * The origins of web pages that may connect as the agent. Only with `transport: 'ws'`.
   * @default []
   */
  readonly origins?: readonly string[] | undefined;
}

/** The options of `start()`. */
export interface StartOptions {
  /**
   * Aborts the start: it rejects with CANCELLED. After ready it does nothing.
   * @default none
   */
  readonly signal?: AbortSignal | undefined;
}

/** The options of `stop()`. */
export interface StopOptions {
  /**
   * How long the program may take to end by itself, in ms. After it the whole process tree gets SIGKILL.
   * @default `grace` of the spec
   */
  readonly grace?: number | undefined;
}

/** The options of `stop()` of an instance. */
export interface InstanceStopOptions extends StopOptions {
  /**
   * The executions in flight may end before the agent is asked to end.
   * @default false
   */
  readonly drain?: boolean | undefined;
}

/** The options of `restart()` of an instance. */
export interface RestartOptions {
  /**
   * How long the program may take to answer what is in flight and to end by itself, in ms. After it its process tree gets SIGKILL.
   * @default `grace` of the spec
   */
  readonly grace?: number | undefined;
}
