// What callers write to start, expect and stop an instance. Types only: src/options.ts checks them, and a test holds both equal.

/** What connects a program to its host. `'unix'`: a Unix socket; `'ws'`: a WebSocket; `'fd'`: a socket that the program inherits. */
export type Transport = 'tcp' | 'unix' | 'ws' | 'fd';

/** When a program is restarted: `'permanent'` always, `'transient'` after a failure, `'temporary'` never. */
export type RestartPolicy = 'permanent' | 'transient' | 'temporary';

/** What `start()` and `pool()` run, and how. Any fault fails with INVALID_OPTIONS, which names all of them. */
export interface InstanceSpec {
  /** The name of what runs, 1 to 256 characters. The instance id begins with it. */
  readonly artifactId: string;
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
   * @default `grace` of createSpearlet()
   */
  readonly grace?: number | undefined;
}
