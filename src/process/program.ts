// The types of a program: what is started, how its run is controlled, and which events it reports. No code, so that
// spawn.ts and containment/ need not import each other.
import type { ByteStream } from '../transport/stream.ts';
import type { Exit } from '../world/exit.ts';
import type { Output } from './output/output.ts';
import type { Ending, Tree } from './tree/tree.ts';

export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly workingDirectory: string;
  readonly environment: Readonly<Record<string, string>>;
  /** The program inherits one end of a socket pair, as descriptor 3; `inherited` has the other. */
  readonly inheritsSocket: boolean;
  /** The program runs inside a pid namespace of its own. */
  readonly namespace?: Wrapper;
}

export interface Wrapper {
  /** The program that starts the given one inside. Throws SPAWN_FAILED for an environment that no shell passes on. */
  wrap(program: Program): Program;
}

export interface ProgramEvents {
  /**
   * The pid of the program itself. Inside a namespace the program is a descendant of its wrapper, and the event comes a few
   * ms later. Always before `exited`.
   */
  spawned(pid: number): void;
  /** This host's end of the socket that the program inherits. In the turn of the spawn. */
  inherited?(stream: ByteStream): void;
  /** The program could not be started. No other event follows. */
  failed(error: Error): void;
  /** The program has exited and is reaped. Its output may still be read. */
  exited(exit: Exit): void;
  /** No process holds the program's output open any more. */
  closed(): void;
  /** No process of the tree lives any more, or SIGKILL could not end `ending.left`. After `exited`, and only where trees are tracked. */
  ended?(ending: Ending): void;
}

export interface RunningProgram {
  /**
   * Signals the whole tree, also after the program has exited. SIGKILL ends it; of any other signal each process gets the first one
   * alone. Where trees are not tracked, the signal goes to the process group while the program lives.
   */
  signal(signal: NodeJS.Signals): void;
  /** Kills the tree and closes the pipes. No event follows. Resolves when the system has released the program. */
  dispose(): Promise<void>;
  /** The program and its descendants; null where trees are not tracked. */
  readonly tree: Tree | null;
}

export type Spawn = (program: Program, output: Output, events: ProgramEvents) => RunningProgram;
