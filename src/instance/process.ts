// The effect `process`: starts the program of one incarnation, signals it, sees it end and what came of it too, and how
// much memory that takes. For an external instance there is no program: what would end it is answered at once.
import { fromCallback } from 'xstate';
import type { InstanceEvent, ProcessCommand } from '../../machines/instance.ts';
import { reasonOf } from '../errors.ts';
import type { Memory, MemoryWatch } from '../process/memory.ts';
import type { Output } from '../process/output/output.ts';
import type { Program, RunningProgram, Spawn } from '../process/program.ts';
import type { Ending } from '../process/tree/tree.ts';
import type { Exit } from '../world/exit.ts';

export interface ProcessDeps {
  spawn: Spawn;
  memory: Memory;
  /** What is to be started, found and checked; null for an external instance. Throws SPAWN_FAILED. */
  program(instanceId: string): { program: Program; output: Output; maxMemory: number | undefined } | null;
  started(instanceId: string, running: RunningProgram): void;
  spawned(instanceId: string, pid: number): void;
  exited(instanceId: string, exit: Exit): void;
  ended(instanceId: string, ending: Ending): void;
  /** So many bytes were in use. */
  measured(instanceId: string, bytes: number): void;
  /** Keeps `dispose` in case the chart cannot call it; returns it, to be called once. */
  hold(instanceId: string, dispose: () => Promise<void> | undefined): () => void;
}

/** Trouble of the moment, which another try may not meet: everything else is a fault of configuration. */
const PASSING = ['ENOMEM', 'EAGAIN', 'EMFILE', 'ENFILE'];

export const runProgram = (deps: ProcessDeps) =>
  fromCallback<ProcessCommand, { instanceId: string; incarnation: number }, InstanceEvent>(({ input, sendBack, receive }) => {
    const { instanceId } = input;
    let running: RunningProgram | null = null;
    let watch: MemoryWatch | null = null;
    let external = false;

    const failed = (thrown: unknown): void =>
      sendBack({
        type: 'process.failed',
        code: 'SPAWN_FAILED',
        message: reasonOf(thrown),
        final: !PASSING.includes((thrown as NodeJS.ErrnoException).code ?? ''),
      });

    const unwatch = (): void => {
      watch?.stop();
      if (watch !== null && watch.peak > 0) deps.measured(instanceId, watch.peak);
      watch = null;
    };

    const start = (): void => {
      try {
        const found = deps.program(instanceId);
        if (found === null) {
          external = true;
          return;
        }
        const { program, output, maxMemory: limit } = found;
        running = deps.spawn(program, output, {
          spawned: pid => deps.spawned(instanceId, pid),
          failed,
          exited(exit) {
            unwatch();
            deps.exited(instanceId, exit);
            sendBack({ type: 'process.exited', ...exit });
            // Where trees are not looked after, nothing else will be told.
            if (running?.tree === null) sendBack({ type: 'process.ended', left: 0 });
          },
          closed: () => sendBack({ type: 'process.closed' }),
          ended(ending) {
            deps.ended(instanceId, ending);
            sendBack({ type: 'process.ended', left: ending.left.length });
          },
        });
        deps.started(instanceId, running);
        if (limit === undefined || running.tree === null) return;
        watch = deps.memory.watch(running.tree, limit, bytes => {
          deps.measured(instanceId, bytes);
          sendBack({ type: 'memory.exceeded', bytes, limit });
        });
      } catch (thrown) {
        failed(thrown);
      }
    };

    /** While it lives: afterwards nothing can be measured. */
    const measure = (): void => {
      const tree = running?.tree;
      if (tree == null || watch !== null) return;
      try {
        const bytes = deps.memory.measure(tree);
        if (bytes > 0) deps.measured(instanceId, bytes);
      } catch {
        // No file descriptors: then it is not known.
      }
    };

    receive(command => {
      if (command.type === 'spawn') start();
      else if (command.type === 'scan') {
        measure();
        void running?.tree?.scan();
      } else if (external) {
        sendBack({ type: 'process.closed' });
        sendBack({ type: 'process.ended', left: 0 });
        sendBack({ type: 'process.exited', exitCode: null, signal: null });
      } else running?.signal(command.signal);
    });

    return deps.hold(instanceId, () => {
      unwatch();
      return running?.dispose();
    });
  });
