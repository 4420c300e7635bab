// Programs as the system knows them: spawned in a group of their own, signalled as a group, seen when they exit. It
// knows nothing of instances. The only file that touches node:child_process.
import { spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import type { Channel, Output } from './output.ts';
import { release } from './release.ts';

export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly workingDirectory: string;
  readonly environment: Readonly<Record<string, string>>;
}

export interface Exit {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

export interface ProgramEvents {
  spawned(pid: number): void;
  /** It could not be started; nothing else is called. */
  failed(error: Error): void;
  /** It has exited and is reaped. Its output may still be read. */
  exited(exit: Exit): void;
  /** Nothing holds its output open any more. */
  closed(): void;
}

export interface RunningProgram {
  /** Signals the whole process group; nobody left in it is not an error. */
  signal(signal: 'SIGTERM' | 'SIGKILL'): void;
  /** Kills the group and lets go of pipes; no event is called any more. Resolves when the system has let go of it too. */
  dispose(): Promise<void>;
}

export type Spawn = (program: Program, output: Output, events: ProgramEvents) => RunningProgram;

export const spawnProgram: Spawn = (program, output, events) => {
  const child = spawn(program.command, [...program.args], {
    cwd: program.workingDirectory,
    env: program.environment,
    // A session and group of its own: a signal reaches its children too, and Ctrl-C in our terminal does not reach it.
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let live = true;
  let exited = false;
  const group = child.pid === undefined ? null : -child.pid;

  const signal = (name: 'SIGTERM' | 'SIGKILL'): void => {
    if (group === null) return;
    try {
      process.kill(group, name);
    } catch {
      // ESRCH: nobody is left in the group. EPERM: it has changed its user, and is not ours to end.
    }
  };

  // The agent's stdin is held open and never written: its end tells the agent that its host is gone.
  child.on('error', error => {
    if (live && child.pid === undefined) events.failed(error);
  });
  // Without file descriptors left there are no streams, whatever the types say.
  const streams: (Readable | Writable | undefined)[] = [child.stdin, child.stdout, child.stderr];
  for (const stream of streams) stream?.on('error', () => {});
  const read = (channel: Channel) => (chunk: Buffer) => {
    output.add(channel, chunk);
    release(chunk);
  };
  child.stdout?.on('data', read('stdout'));
  child.stderr?.on('data', read('stderr'));
  child.once('exit', (exitCode, name) => {
    exited = true;
    // What it left in its group has no parent to answer to.
    signal('SIGKILL');
    if (live) events.exited({ exitCode, signal: name });
  });
  const gone = new Promise<void>(resolve => {
    child.once('close', () => {
      if (live && exited) events.closed();
      resolve();
    });
  });
  if (child.pid !== undefined) events.spawned(child.pid);

  return {
    signal(name) {
      if (!exited) signal(name);
    },
    dispose() {
      live = false;
      if (!exited) signal('SIGKILL');
      for (const stream of streams) stream?.destroy();
      return child.pid === undefined ? Promise.resolve() : gone;
    },
  };
};
