// The effect `process`: starts the program of one incarnation, signals it, watches its memory, and reports its exit and the end
// of its tree. An external instance has no program: a signal is answered at once with the events of an exit.
import { fromCallback } from 'xstate';
import type { InstanceEvent, ProcessCommand } from '../../machines/instance-types.ts';
import { reasonOf } from '../errors.ts';
import type { Memory, MemoryWatch } from '../process/memory.ts';
import type { Output } from '../process/output/output.ts';
import type { Program, RunningProgram, Spawn } from '../process/program.ts';
import type { ByteStream } from '../transport/stream.ts';
import { type Exit, statusOf } from '../world/exit.ts';
import { type InstanceSupervisor, onAbandon } from './instance-supervisor.ts';
import type { InstanceRecord } from './record.ts';

export interface ProcessDeps {
  readonly supervisor: InstanceSupervisor;
  spawn: Spawn;
  memory: Memory;
  /** The program to start, with its path resolved; null for an external instance. Throws SPAWN_FAILED. */
  program(record: InstanceRecord): { program: Program; output: Output; maxMemory: number | undefined } | null;
  spawned(record: InstanceRecord, pid: number): void;
  /** This host's end of the socket that the program inherits. */
  inherited(record: InstanceRecord, stream: ByteStream): void;
  exited(record: InstanceRecord, exit: Exit): void;
}

export const runProgram = (deps: ProcessDeps) =>
  fromCallback<ProcessCommand, { instanceId: string; incarnation: number }, InstanceEvent>(({ input, sendBack, receive }) => {
    const record = deps.supervisor.record(input.instanceId);
    const { run } = record;
    let running: RunningProgram | null = null;
    let watch: MemoryWatch | null = null;
    let external = false;
    /** An external instance has had the events of its exit. */
    let answered = false;

    const failed = (thrown: unknown): void => {
      run.thrown = thrown;
      sendBack({ type: 'process.failed', code: 'SPAWN_FAILED', message: reasonOf(thrown) });
    };

    const measured = (bytes: number): void => {
      run.peakMemory = Math.max(run.peakMemory ?? 0, bytes);
    };

    const unwatch = (): void => {
      watch?.stop();
      if (watch !== null && watch.peak > 0) measured(watch.peak);
      watch = null;
    };

    const start = (): void => {
      try {
        const found = deps.program(record);
        if (found === null) {
          external = true;
          return;
        }
        const { program, output, maxMemory: limit } = found;
        running = deps.spawn(program, output, {
          spawned: pid => deps.spawned(record, pid),
          failed,
          inherited: stream => deps.inherited(record, stream),
          exited(exit) {
            unwatch();
            deps.exited(record, exit);
            sendBack({ type: 'process.exited', ...exit, status: statusOf(exit) });
            // Where trees are not tracked, no event about the rest of the tree follows.
            if (running?.tree === null) sendBack({ type: 'process.ended', left: 0 });
          },
          closed: () => sendBack({ type: 'process.closed' }),
          ended(ending) {
            run.ending = ending;
            sendBack({ type: 'process.ended', left: ending.left.length });
          },
        });
        run.program = running;
        if (limit === undefined || running.tree === null) return;
        watch = deps.memory.watch(running.tree, limit, bytes => {
          measured(bytes);
          sendBack({ type: 'memory.exceeded', bytes, limit });
        });
      } catch (thrown) {
        failed(thrown);
      }
    };

    /** Must come while the program lives: later there is nothing to measure. */
    const measure = (): void => {
      const tree = running?.tree;
      if (tree == null || watch !== null) return;
      try {
        const bytes = deps.memory.measure(tree);
        if (bytes > 0) measured(bytes);
      } catch {
        // No file descriptors are left, so the memory stays unknown.
      }
    };

    receive(command => {
      if (command.type === 'spawn') start();
      else if (command.type === 'scan') {
        measure();
        void running?.tree?.scan();
      } else if (external) {
        if (answered) return;
        answered = true;
        sendBack({ type: 'process.closed' });
        sendBack({ type: 'process.ended', left: 0 });
        sendBack({ type: 'process.exited', exitCode: null, signal: null, status: null });
      } else running?.signal(command.type === 'kill' ? 'SIGKILL' : (record.spec?.killSignal ?? 'SIGTERM'));
    });

    return onAbandon(record, deps.supervisor, () => {
      unwatch();
      return running?.dispose();
    });
  });
