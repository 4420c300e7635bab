// A program and its tree, plain and in a namespace: its pid, exit and environment are its own, and no process is left, not
// even when the host is killed.
import { spawn as start } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { exitInside, type Namespace, probeNamespace } from '../../src/process/containment/namespace.ts';
import { createOutput, type Follower } from '../../src/process/output/output.ts';
import type { Program } from '../../src/process/program.ts';
import { createSpawn, spawnProgram } from '../../src/process/spawn.ts';
import { processTable } from '../../src/process/tree/proc-table.ts';
import { createTrees, type Ending } from '../../src/process/tree/tree.ts';
import { realClock } from '../../src/world/clock.ts';
import type { Exit } from '../../src/world/exit.ts';
import { hidden, shapes } from '../agents/tree.js';
import { atEnd, remember } from '../census/census.ts';

const agents = join(import.meta.dirname, '..', 'agents');
const environment = { PATH: process.env.PATH! };
const spawn = createSpawn(createTrees(processTable, realClock), realClock);
let namespace: Namespace;
let count = 0;

beforeAll(async () => {
  namespace = await probeNamespace(spawnProgram, realClock, environment);
});

/** The pid namespace of a process. */
const namespaceOf = (pid: number): string | null => {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return null;
  }
};
/** The living processes whose cookie begins with a prefix. */
const living = (prefix: string): number[] =>
  processTable.pids().filter(pid => processTable.entry(pid)?.living && String(processTable.cookie(pid)).startsWith(prefix));

function run(how: string, command: string, args: string[], more: Record<string, string> = {}) {
  count += 1;
  const instanceId = `spawn-test-${process.pid}-${count}`;
  remember(instanceId);
  let text = '';
  const waiting = new Set<() => void>();
  const followers = new Set<Follower>([
    {
      next(chunk) {
        text += chunk.text;
        for (const wake of [...waiting]) wake();
      },
    },
  ]);
  const said = (part: string): Promise<string> =>
    new Promise(resolve => {
      const wake = (): void => {
        if (!text.includes(part)) return;
        waiting.delete(wake);
        resolve(text);
      };
      waiting.add(wake);
      wake();
    });
  const order: string[] = [];
  const program: Program = {
    command,
    args,
    inheritsSocket: false,
    workingDirectory: '/',
    environment: { ...environment, SPEARLET_INSTANCE_ID: instanceId, ...more },
    ...(how === 'in a namespace' ? { namespace } : {}),
  };
  const output = createOutput(65_536, followers);
  let tell: { pid(pid: number): void; exit(exit: Exit): void; ending(ending: Ending): void; closed(): void };
  const pid = new Promise<number>(resolve => {
    tell = { pid: resolve } as never;
  });
  const exit = new Promise<Exit>(resolve => Object.assign(tell, { exit: resolve }));
  const ending = new Promise<Ending>(resolve => Object.assign(tell, { ending: resolve }));
  const closed = new Promise<void>(resolve => Object.assign(tell, { closed: resolve }));
  const running = spawn(program, output, {
    spawned(number) {
      order.push('spawned');
      tell.pid(number);
    },
    failed: error => expect.fail(String(error)),
    exited(each) {
      order.push('exited');
      tell.exit(each);
    },
    closed: () => tell.closed(),
    ended: each => tell.ending(each),
  });
  atEnd(() => running.dispose());
  return { instanceId, running, pid, exit, ending, closed, said, order, output };
}

test('namespaces work on this machine', () => {
  expect(namespace).toMatchObject({ works: true, why: '' });
});

describe.each(['plain', 'in a namespace'])('a program, %s', how => {
  test.each<[string, Exit]>([
    ['exit 0', { exitCode: 0, signal: null }],
    ['exit 7', { exitCode: 7, signal: null }],
    ['kill -SEGV $$', { exitCode: null, signal: 'SIGSEGV' }],
    ['kill -KILL $$', { exitCode: null, signal: 'SIGKILL' }],
    ['kill -TERM $$', { exitCode: null, signal: 'SIGTERM' }],
    // Node has no names for these signals, and reports such a death as exit code 0.
    ['kill -34 $$', { exitCode: null, signal: 'SIGRTMIN' }],
    ['head -c 300000 /dev/zero; kill -40 $$', { exitCode: null, signal: 'SIGRTMIN+6' }],
    ['kill -64 $$', { exitCode: null, signal: 'SIGRTMIN+30' }],
  ])('that does `%s` is told as it ended', async (script, expected) => {
    const { exit, ending, order, output } = run(how, '/bin/sh', ['-c', script]);
    expect(await exit).toEqual(expected);
    expect(order).toEqual(['spawned', 'exited']);
    expect(await ending).toEqual({ left: [], complete: true });
    expect(output.stderrTail(5)).toBe('');
  });

  test('has its own pid, arguments, environment, stdin and descriptors', async () => {
    const args = ['-e', 'process.stdout.write(JSON.stringify({argv:process.argv.slice(1),env:process.env})+"\\n");process.stdin.resume()'];
    const odd = ['a b', '$HOME', "it's", '"', '', '*', '\\', '-x', 'ü\n'];
    const { pid, said, instanceId, running, closed } = run(how, process.execPath, [...args, '--', ...odd], {
      EMPTY: '',
      LINES: 'a\nb',
      Q: "'",
    });
    const number = await pid;
    const report = JSON.parse(await said('}\n'));
    expect(report.argv.slice(-odd.length)).toEqual(odd);
    expect(report.env).toEqual({ ...environment, SPEARLET_INSTANCE_ID: instanceId, EMPTY: '', LINES: 'a\nb', Q: "'" });
    expect(readFileSync(`/proc/${number}/cmdline`, 'utf8').split('\0')[0]).toBe(process.execPath);
    expect(processTable.cookie(number)).toBe(instanceId);
    // No part of the environment, such as the cookie, is on a command line.
    for (const member of living(instanceId)) expect(processTable.command(member)).not.toContain(instanceId);
    running.signal('SIGTERM');
    await closed;
  });

  test('gets SIGTERM once, and chooses its own exit', async () => {
    const script =
      'process.on("SIGTERM",()=>{console.log("TERM");setTimeout(()=>process.exit(3),100)});setInterval(()=>{},1e4);console.log("up")';
    const { running, said, exit, output, closed } = run(how, process.execPath, ['-e', script]);
    await said('up\n');
    running.signal('SIGTERM');
    expect(await exit).toEqual({ exitCode: 3, signal: null });
    await closed;
    expect(
      output
        .kept()
        .map(({ text }) => text)
        .join(''),
    ).toBe('up\nTERM\n');
  });

  test('its stdin ends when it is disposed', async () => {
    const { running, said, exit, pid } = run(how, '/bin/sh', ['-c', 'echo up; cat; echo end >&2; exit 5']);
    await said('up');
    expect(processTable.entry(await pid)?.living).toBe(true);
    running.signal('SIGKILL');
    expect(await exit).toEqual({ exitCode: null, signal: 'SIGKILL' });
  });

  test.each(Object.keys(shapes))('with a tree of the shape %s leaves no process, killed or disposed', async shape => {
    const file = join(agents, 'tree.js');
    const [killed, disposed] = [run(how, process.execPath, [file, shape]), run(how, process.execPath, [file, shape])];
    await Promise.all([killed.said(']\n'), disposed.said(']\n')]);
    killed.running.signal('SIGKILL');
    expect(await killed.ending).toEqual({ left: [], complete: true });
    await disposed.running.dispose();
    expect([...living(killed.instanceId), ...living(disposed.instanceId)]).toEqual([]);
  });
});

test('a namespace also holds the shapes that escape without one', async () => {
  const file = join(agents, 'tree.js');
  for (const shape of Object.keys(hidden)) {
    const { said, running, ending, pid } = run('in a namespace', process.execPath, [file, shape]);
    await said(']\n');
    const inside = (): number[] => processTable.pids().filter(each => namespaceOf(each) === mine && processTable.entry(each)?.living);
    const mine = namespaceOf(await pid);
    expect(inside().length).toBeGreaterThan(2);
    running.signal('SIGKILL');
    await ending;
    expect(inside()).toEqual([]);
  }
});
test('in a namespace orphans are reaped, and /proc shows the pids of the namespace', async () => {
  const script =
    '(sleep 0 & exec sleep 0.01) & wait; sleep 0.1; ps -eo stat= | grep -c Z; readlink /proc/self >/dev/null && echo $$ $(cat /proc/$$/comm)';
  const { said, output, exit } = run('in a namespace', '/bin/sh', ['-c', script]);
  await exit;
  await said('sh\n');
  expect(
    output
      .kept()
      .map(({ text }) => text)
      .join(''),
  ).toBe('0\n2 sh\n');
});

test('an environment that no shell passes on is refused', () => {
  expect(() => run('in a namespace', '/bin/sh', ['-c', ''], { 'a.b': '1' })).toThrow("the environment variable 'a.b'");
});

test('an exit code above 128 inside a namespace counts as a signal where one has that number', () => {
  expect(exitInside({ exitCode: 137, signal: null })).toEqual({ exitCode: null, signal: 'SIGKILL' });
  expect(exitInside({ exitCode: 128, signal: null })).toEqual({ exitCode: 128, signal: null });
  expect(exitInside({ exitCode: 255, signal: null })).toEqual({ exitCode: 255, signal: null });
  expect(exitInside({ exitCode: null, signal: 'SIGKILL' })).toEqual({ exitCode: null, signal: 'SIGKILL' });
});

test('a daemon that holds the output open does not delay the end', async () => {
  const { said, running, exit, instanceId } = run('plain', process.execPath, [join(agents, 'tree.js'), 'holds-output']);
  await said(']\n');
  process.kill(running.tree!.root.pid, 'SIGKILL');
  await exit;
  const began = performance.now();
  await running.dispose();
  expect(performance.now() - began).toBeLessThan(1_500);
  expect(living(instanceId)).toEqual([]);
});

test('after kill -9 of the host no process of a namespace lives for more than 500 ms, whatever the shape', async () => {
  const prefix = `killed-host-${process.pid}`;
  const all = [...Object.keys(shapes), ...Object.keys(hidden)];
  const host = start(process.execPath, [join(agents, 'contained-host.js'), 'namespace', prefix, ...all], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  atEnd(() => void host.kill('SIGKILL'));
  await once(host.stdout, 'data');
  expect(living(prefix).length).toBeGreaterThan(2 * all.length);
  host.kill('SIGKILL');
  await once(host, 'exit');
  await sleep(500);
  expect(living(prefix)).toEqual([]);
});
