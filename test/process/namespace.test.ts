// The trial run of a namespace, and the search for the program inside one, on a clock moved by hand.
import { afterEach, expect, test, vi } from 'vitest';
import { findInside, probeNamespace } from '../../src/process/containment/namespace.ts';
import type { Program, ProgramEvents, Spawn } from '../../src/process/program.ts';
import { createTrees } from '../../src/process/tree/tree.ts';
import type { Exit } from '../../src/world/exit.ts';
import { handClock } from '../world/clock.ts';
import { handTable } from './stage.ts';

const { platform } = process;
afterEach(() => void Object.defineProperty(process, 'platform', { value: platform }));

/** A trial run whose program does what the test says. */
function openTrial() {
  const clock = handClock();
  const it = {
    programs: [] as Program[],
    signals: [] as string[],
    disposed: 0,
    say(_text: string) {},
    events: null as never as ProgramEvents,
  };
  const spawn: Spawn = (program, output, events) => {
    it.programs.push(program);
    it.say = text => output.add('stdout', Buffer.from(text));
    it.events = events;
    return {
      tree: null,
      signal: name => void it.signals.push(name),
      async dispose() {
        it.disposed += 1;
      },
    };
  };
  const probed = probeNamespace(spawn, clock, { PATH: process.env.PATH! });
  const end = (exit: Exit): void => {
    it.events.exited(exit);
    it.events.closed();
  };
  return { clock, it, probed, end };
}

test('a trial works whose program sees the pids of its namespace and exits by itself after SIGTERM', async () => {
  const { clock, it, probed, end } = openTrial();
  it.say('2 s');
  expect(it.signals).toEqual([]);
  it.say('h\n');
  expect(it.signals).toEqual(['SIGTERM']);
  end({ exitCode: 42, signal: null });
  expect(await probed).toMatchObject({ works: true, why: '' });
  expect([it.disposed, clock.pending]).toEqual([1, []]);
});

test.each([
  ['2 sh\n', { exitCode: 0, signal: null }, '2 sh'],
  ['2 cat\n', { exitCode: 42, signal: null }, '2 cat'],
  ['', { exitCode: 42, signal: null }, 'a trial ended with exit code 42'],
  ['', { exitCode: null, signal: 'SIGKILL' }, 'a trial ended with SIGKILL'],
  ['unshare: not permitted\n', { exitCode: 1, signal: null }, 'unshare: not permitted'],
] as const)('a trial that says %j and ends with %j does not', async (text, exit, why) => {
  const { it, probed, end } = openTrial();
  it.say(text);
  end(exit);
  const namespace = await probed;
  expect(namespace).toMatchObject({ works: false, why });
  expect(() => namespace.wrap(it.programs[0]!)).toThrow(`a namespace is not available here: ${why}`);
});

test('a program that cannot be started says why', async () => {
  const { it, probed } = openTrial();
  it.events.failed(new Error('EAGAIN'));
  expect(await probed).toMatchObject({ works: false, why: 'EAGAIN' });
});

test('a trial is given up after five seconds', async () => {
  const { clock, it, probed } = openTrial();
  it.say('2 sh');
  clock.pass(4_999);
  expect(it.disposed).toBe(0);
  clock.pass(1);
  expect(it.disposed).toBe(1);
  expect(await probed).toMatchObject({ works: false, why: 'a trial took longer than 5000 ms: 2 sh' });
});

test('on another system than Linux no trial is run', async () => {
  Object.defineProperty(process, 'platform', { value: 'darwin' });
  const { it, probed } = openTrial();
  expect(await probed).toMatchObject({ works: false, why: 'pid namespaces exist only on Linux' });
  expect(it.programs).toEqual([]);
});

/** A wrapper whose namespace a test fills. */
function openWrapper() {
  const stage = handTable();
  const trees = createTrees(stage.table, stage.clock);
  stage.born(101);
  const tree = trees.track('i', 101);
  const settle = async (): Promise<void> => {
    for (let n = 0; n < 5; n += 1) await new Promise(resolve => setImmediate(resolve));
  };
  return { ...stage, tree, scanner: trees.scanner, settle };
}

test('the program inside is the oldest child of the first process in the namespace', async () => {
  const { clock, born, tree, scanner, settle } = openWrapper();
  const found = findInside(tree, scanner, clock, () => false);
  born(102, 101, 101);
  await settle();
  clock.pass(2);
  await settle();
  born(103, 102, 101);
  born(104, 102, 101);
  clock.pass(2);
  expect(await found).toMatchObject({ pid: 103 });
});

test('the search for the program inside ends after 250 scans, or once the wrapper is gone', async () => {
  const { clock, tree, scanner, settle } = openWrapper();
  const began = clock.now();
  let isOver = false;
  const found = findInside(tree, scanner, clock, () => false).finally(() => {
    isOver = true;
  });
  while (!isOver) {
    await settle();
    const [next] = clock.pending;
    if (next !== undefined) clock.pass(next);
  }
  expect([await found, clock.now() - began]).toEqual([null, 500]);
  expect(await findInside(tree, scanner, clock, () => true)).toBeNull();
});

test.each([
  ['root needs no user namespace', 0, []],
  ['another user keeps its user id inside', 1_000, ['--user', '--map-current-user']],
])('%s', async (_, uid, expected) => {
  vi.spyOn(process, 'getuid').mockReturnValue(uid);
  const { it, probed, end } = openTrial();
  vi.restoreAllMocks();
  const args = it.programs[0]!.args;
  const from = args.findIndex(arg => arg.endsWith('unshare')) + 1;
  expect(args.slice(from, args.indexOf('--pid'))).toEqual(expected);
  // What the shells of other systems add to the environment, as well as Debian's.
  expect(args.find(arg => arg.startsWith('unset'))).toMatch(/^unset PWD OLDPWD SHLVL; /);
  end({ exitCode: 42, signal: null });
  await probed;
});
