// The program of one incarnation as the chart sees it: its events, its measured memory, and what is released.
import { expect, test } from 'vitest';
import { createActor, createMachine } from 'xstate';
import { type ProcessDeps, runProgram } from '../../src/instance/process.ts';
import { newRun } from '../../src/instance/program-run.ts';
import type { ProgramEvents } from '../../src/process/program.ts';

function open(
  { maxMemory, tree = {} as object | null, program = {} as object | null, measured = 0, spawnError = null as unknown, killSignal } = {} as {
    maxMemory?: number;
    tree?: object | null;
    program?: object | null;
    measured?: number;
    spawnError?: unknown;
    killSignal?: string;
  },
) {
  const events: unknown[] = [];
  const calls: string[] = [];
  const record = { id: 'i', spec: { killSignal }, run: newRun(), disposers: new Set() };
  const watch = { bytes: 0, peak: 0, stop: () => void calls.push('unwatch') };
  const it = { program: null as never as ProgramEvents, exceeded(_bytes: number) {} };
  const deps = {
    supervisor: { record: () => record, closing: new Set() },
    program: () => (program === null ? null : { program, output: {}, maxMemory }),
    spawn(_program: unknown, _output: unknown, programEvents: ProgramEvents) {
      if (spawnError !== null) throw spawnError;
      it.program = programEvents;
      return {
        tree: tree === null ? null : { scan: async () => void calls.push('scan') },
        signal: (name: string) => void calls.push(name),
        dispose: async () => void calls.push('dispose'),
      };
    },
    memory: {
      measure: () => measured,
      watch(_tree: unknown, _limit: number, exceeded: (bytes: number) => void) {
        it.exceeded = exceeded;
        return watch;
      },
    },
    spawned: (_record: unknown, pid: number) => void calls.push(`pid ${pid}`),
    exited: () => void calls.push('exited'),
  };
  const machine = createMachine({
    invoke: { id: 'process', src: runProgram(deps as never as ProcessDeps), input: { instanceId: 'i', incarnation: 1 } },
    on: { '*': { actions: ({ event }) => void events.push(event) } },
  });
  const actor = createActor(machine).start();
  const command = (type: 'spawn' | 'scan' | 'signal' | 'kill'): void =>
    (actor.getSnapshot().children.process as { send(event: object): void }).send({ type });
  return { actor, events, calls, record, watch, it, command };
}

test('a program is spawned and signalled, and its exit and the end of its tree are events', () => {
  const { actor, events, calls, record, it, command } = open();
  command('spawn');
  it.program.spawned(7);
  command('signal');
  it.program.exited({ exitCode: 0, signal: null });
  it.program.closed();
  it.program.ended!({ left: [{ pid: 8, startTime: 1, command: '' }], complete: true });
  expect(calls).toEqual(['pid 7', 'SIGTERM', 'exited']);
  expect(events).toEqual([
    { type: 'process.exited', exitCode: 0, signal: null, status: 0 },
    { type: 'process.closed' },
    { type: 'process.ended', left: 1 },
  ]);
  expect(record.run.peakMemory).toBeNull();
  actor.stop();
  expect(calls.slice(3)).toEqual(['dispose']);
});

test('the peak of a program with a limit is kept when it exits', () => {
  const { calls, record, watch, it, command } = open({ maxMemory: 100 });
  command('spawn');
  watch.peak = 60;
  it.program.exited({ exitCode: 0, signal: null });
  expect([calls, record.run.peakMemory]).toEqual([['unwatch', 'exited'], 60]);
});

test('without a sample the peak is unknown', () => {
  const { record, it, command } = open({ maxMemory: 100 });
  command('spawn');
  it.program.exited({ exitCode: 0, signal: null });
  expect(record.run.peakMemory).toBeNull();
});

test('memory above the limit is an event, and the peak', () => {
  const { events, record, it, command } = open({ maxMemory: 100 });
  command('spawn');
  it.exceeded(101);
  expect([events, record.run.peakMemory]).toEqual([[{ type: 'memory.exceeded', bytes: 101, limit: 100 }], 101]);
});

test('without a limit the memory is measured once the program has to end', () => {
  const { calls, record, command } = open({ measured: 50 });
  command('spawn');
  command('scan');
  expect([calls, record.run.peakMemory]).toEqual([['scan'], 50]);
  const watched = open({ measured: 50, maxMemory: 100 });
  watched.command('spawn');
  watched.command('scan');
  expect([watched.calls, watched.record.run.peakMemory]).toEqual([['scan'], null]);
  const gone = open({ measured: 0 });
  gone.command('spawn');
  gone.command('scan');
  expect(gone.record.run.peakMemory).toBeNull();
});

test('where trees are not tracked, the exit is also the end of the tree', () => {
  const { events, record, it, command } = open({ tree: null, maxMemory: 100, measured: 50 });
  command('spawn');
  command('scan');
  it.program.exited({ exitCode: 3, signal: null });
  expect([events, record.run.peakMemory]).toEqual([
    [
      { type: 'process.exited', exitCode: 3, signal: null, status: 3 },
      { type: 'process.ended', left: 0 },
    ],
    null,
  ]);
});

test('a spawn that fails is an event, whatever the reason', () => {
  for (const code of ['ENOENT', 'EACCES', 'ETXTBSY', 'EAGAIN', 'EMFILE']) {
    const { events, command } = open({ spawnError: Object.assign(new Error('no'), { code }) });
    command('spawn');
    expect(events).toEqual([{ type: 'process.failed', code: 'SPAWN_FAILED', message: 'no' }]);
  }
});

test.each([
  [{ exitCode: 7, signal: null }, 7],
  [{ exitCode: null, signal: 'SIGTERM' }, 143],
  [{ exitCode: null, signal: 'SIGRTMIN+6' }, 168],
])('the end %o has the exit status of a shell', (exit, status) => {
  const { events, it, command } = open();
  command('spawn');
  it.program.exited(exit);
  expect(events).toEqual([{ type: 'process.exited', ...exit, status }]);
});

test('the kill signal of its spec takes the place of SIGTERM, but not of SIGKILL', () => {
  const { calls, command } = open({ killSignal: 'SIGQUIT' });
  command('spawn');
  command('signal');
  command('kill');
  expect(calls).toEqual(['SIGQUIT', 'SIGKILL']);
});

test('an external instance has no program: the first signal is its exit', () => {
  const { events, calls, command } = open({ program: null });
  command('spawn');
  expect(events).toEqual([]);
  command('signal');
  command('signal');
  expect([calls, events]).toEqual([
    [],
    [
      { type: 'process.closed' },
      { type: 'process.ended', left: 0 },
      { type: 'process.exited', exitCode: null, signal: null, status: null },
    ],
  ]);
});
