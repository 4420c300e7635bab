// The effect `process`: starts the program of one incarnation, signals it, sees it end. For an external instance there
// is no program: what would end it is answered at once.
import { fromCallback } from 'xstate';
import type { InstanceEvent, ProcessCommand } from '../../machines/instance.ts';
import { reasonOf } from '../errors.ts';
import type { Output } from '../process/output.ts';
import type { Program, RunningProgram, Spawn } from '../process/spawn.ts';

export interface ProcessDeps {
  spawn: Spawn;
  /** What is to be started, found and checked; null for an external instance. Throws SPAWN_FAILED. */
  program(instanceId: string): { program: Program; output: Output } | null;
  spawned(instanceId: string, pid: number): void;
  /** Keeps `dispose` in case the chart cannot call it; returns it, to be called once. */
  hold(instanceId: string, dispose: () => Promise<void> | undefined): () => void;
}

/** Trouble of the moment, which another try may not meet: everything else is a fault of configuration. */
const PASSING = ['ENOMEM', 'EAGAIN', 'EMFILE', 'ENFILE'];

export const runProgram = (deps: ProcessDeps) =>
  fromCallback<ProcessCommand, { instanceId: string; incarnation: number }, InstanceEvent>(({ input, sendBack, receive }) => {
    const { instanceId } = input;
    let running: RunningProgram | null = null;
    let external = false;

    const failed = (thrown: unknown): void =>
      sendBack({
        type: 'process.failed',
        code: 'SPAWN_FAILED',
        message: reasonOf(thrown),
        final: !PASSING.includes((thrown as NodeJS.ErrnoException).code ?? ''),
      });

    const start = (): void => {
      try {
        const found = deps.program(instanceId);
        if (found === null) {
          external = true;
          sendBack({ type: 'process.spawned', pid: null });
          return;
        }
        running = deps.spawn(found.program, found.output, {
          spawned(pid) {
            deps.spawned(instanceId, pid);
            sendBack({ type: 'process.spawned', pid });
          },
          failed,
          exited: exit => sendBack({ type: 'process.exited', ...exit }),
          closed: () => sendBack({ type: 'process.closed' }),
        });
      } catch (thrown) {
        failed(thrown);
      }
    };

    receive(command => {
      if (command.type === 'spawn') start();
      else if (external) {
        sendBack({ type: 'process.closed' });
        sendBack({ type: 'process.exited', exitCode: null, signal: null });
      } else running?.signal(command.signal);
    });

    return deps.hold(instanceId, () => running?.dispose());
  });
