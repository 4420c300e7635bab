// Nothing of a tree lives on, however it is shaped and however it ends; and what a report says of an end.
import { describe, expect, test } from 'vitest';
import type { Instance, InstanceSpec } from '../../src/index.ts';
import { createPrograms } from '../../src/process/programs.ts';
import { processTable } from '../../src/process/tree/proc-table.ts';
import { createSpearletIn } from '../../src/spearlet.ts';
import { tcp } from '../../src/transport/tcp.ts';
import { realClock } from '../../src/world/clock.ts';
import { realRandom } from '../../src/world/random.ts';
import { hidden, shapes } from '../agents/tree.js';
import { atEnd } from '../census/census.ts';
import { agentFile, commandAgent, everyday, failureOf, openSpearlet, seen, type TestSpearlet } from './world.ts';

const treeOf = (shape: string, more: Partial<InstanceSpec> = {}): InstanceSpec => ({
  artifactId: shape,
  command: process.execPath,
  args: [agentFile('tree.js'), shape],
  ...more,
});
/** Everybody who lives and belongs to an instance by the environment. */
const living = ({ id }: Pick<Instance, 'id'>): number[] =>
  processTable.pids().filter(pid => processTable.entry(pid)?.living && processTable.cookie(pid) === id);
const exitsOf = ({ events }: TestSpearlet) => events.flatMap(event => (event.type === 'instance.exited' ? [event.report] : []));

const ways: Record<string, (instance: Instance, spearlet: TestSpearlet) => Promise<unknown>> = {
  'its instance is stopped': instance => instance.stop({ grace: 2_000 }),
  'it is killed at once': instance => instance.stop({ grace: 0 }),
  'its program crashes': instance => {
    instance.execute({ command: 'crash' });
    return instance.exited;
  },
  'its program exits by itself': instance => {
    instance.execute({ command: 'exit' });
    return instance.exited;
  },
  'it does not listen when an execution times out': instance => {
    instance.execute({ command: 'hang' }, { timeout: 20 });
    return instance.exited;
  },
  'the spearlet is stopped': (_, spearlet) => spearlet.stop({ grace: 2_000 }),
};

describe.each(Object.keys(ways))('of twelve trees nothing is left when %s', way => {
  test('and the report says so', async () => {
    const spearlet = openSpearlet({ grace: 200, restart: { intensity: 0 } });
    const specs = Object.keys(shapes).map(shape => treeOf(shape, { onUnresponsive: 'restart' }));
    const instances = await Promise.all(specs.map(spec => spearlet.start(spec)));
    const before = instances.map(instance => living(instance).length);
    // One of them may just be between two generations.
    expect(before.filter(count => count > 1).length).toBeGreaterThan(10);
    await Promise.all(instances.map(instance => ways[way]!(instance, spearlet)));
    // No waiting: at that very moment.
    expect(instances.flatMap(living)).toEqual([]);
    for (const report of await Promise.all(instances.map(each => each.exited))) expect(report.left).toEqual([]);
  });
});

test('what an incarnation has started is gone before the next one begins', async () => {
  const spearlet = openSpearlet({ restart: { backoff: { min: 1, max: 1 } } });
  const instance = await spearlet.start(treeOf('double-fork-daemon', { restart: 'permanent' }));
  for (const incarnation of [2, 3]) {
    const { output } = await instance.execute({ command: 'pids' }).result;
    const pids = JSON.parse(output!) as number[];
    expect(pids.filter(pid => processTable.entry(pid)?.living)).toEqual(pids);
    const spawned = seen(spearlet.events$, event => event.type === 'instance.spawned' && event.incarnation === incarnation);
    instance.execute({ command: 'crash' });
    await spawned;
    expect(pids.filter(pid => processTable.entry(pid)?.living)).toEqual([]);
  }
  await instance.stop();
  expect(exitsOf(spearlet).map(({ reason, left }) => [reason, left])).toEqual([
    ['crashed', []],
    ['crashed', []],
    ['stopped', []],
  ]);
});

test('a start that fails leaves nothing either', async () => {
  const spearlet = openSpearlet({ connectTimeout: 300 });
  const script = 'setsid sleep 1000 & (sleep 1000 & sleep 1000) & wait';
  const failure = await failureOf(spearlet.start({ artifactId: 'a', command: 'sh', args: ['-c', script] }));
  expect(failure.code).toBe('CONNECT_TIMEOUT');
  expect(living({ id: failure.instanceId! })).toEqual([]);
});

describe('a report', () => {
  const stubborn = { artifactId: 'stubborn', command: process.execPath, args: [agentFile('stubborn.js'), 'connects'] };

  test('says at which stop stage it ended, and when each was reached', async () => {
    const spearlet = openSpearlet();
    const [asked, killed, urgent] = await Promise.all([everyday, stubborn, stubborn].map(spec => spearlet.start(spec)));
    const willing = await asked!.stop();
    expect(willing).toMatchObject({ reason: 'stopped', stopStage: 'asked', stopStages: { asked: expect.any(Number) }, left: [] });
    expect(Object.keys(willing.stopStages)).toEqual(['asked']);
    const { stopStage, stopStages } = await killed!.stop({ grace: 300 });
    expect(stopStage).toBe('killed');
    expect(Object.keys(stopStages)).toEqual(['asked', 'signalled', 'killed']);
    expect(stopStages.signalled).toBeGreaterThanOrEqual(150);
    expect(stopStages.killed).toBeGreaterThanOrEqual(stopStages.signalled!);
    expect(Object.keys((await urgent!.stop({ grace: 0 })).stopStages)).toEqual(['killed']);
  });

  test('of a program that ended by itself names no stop stage', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start(treeOf('child'));
    instance.execute({ command: 'crash' });
    expect(await instance.exited).toMatchObject({ reason: 'crashed', signal: 'SIGABRT', stopStage: null, stopStages: {}, left: [] });
  });

  test('says how much memory it had when it had to end', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start(everyday);
    const { peakMemory } = await instance.stop();
    expect(peakMemory).toBeGreaterThan(5e6);
    expect(peakMemory).toBeLessThan(500e6);
  });
});

describe('in a namespace', () => {
  test('a program is contained as it says, has its own pid, and takes all of its tree with it', async () => {
    const spearlet = openSpearlet();
    const specs = Object.keys({ ...shapes, ...hidden }).map(shape => treeOf(shape, { containment: 'namespace' }));
    const instances = await Promise.all(specs.map(spec => spearlet.start(spec)));
    for (const instance of instances) {
      expect(instance.containment).toEqual({ tree: 'namespace', diesWithHost: true, memory: 'unlimited' });
      expect(processTable.command(instance.pid!)).toContain('tree.js');
    }
    const members = instances.flatMap(living);
    const [stopped, crashed] = [instances.slice(0, 7), instances.slice(7)];
    for (const instance of crashed) instance.execute({ command: 'crash' });
    const reports = await Promise.all([...stopped.map(each => each.stop()), ...crashed.map(each => each.exited)]);
    expect(members.filter(pid => processTable.entry(pid)?.living && processTable.cookie(pid))).toEqual([]);
    for (const { left } of reports) expect(left).toEqual([]);
    for (const { reason, signal, pid } of reports.slice(7)) {
      expect({ reason, signal }).toEqual({ reason: 'crashed', signal: 'SIGABRT' });
      expect(instances.map(each => each.pid)).toContain(pid);
    }
  });

  test('the pid that is told is the one that the instance has', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start({ ...commandAgent, containment: 'namespace' });
    const told = spearlet.events.flatMap(event => (event.type === 'instance.spawned' ? [event.pid] : []));
    expect(told).toEqual([instance.pid]);
    const { output } = await instance.execute({ command: 'sh', args: ['-c', 'echo $PPID; exit 0'] }, { collect: true }).result;
    // It sees itself by another number.
    expect(Number(output)).not.toBe(instance.pid);
    expect(await instance.stop()).toMatchObject({ reason: 'stopped', code: 0, stopStage: 'asked', left: [] });
  });
});

/** A spearlet on another machine: by default one where setpriv and unshare are not to be had. */
function openElsewhere({ table = processTable, environment = { PATH: '/nowhere' } as NodeJS.ProcessEnv } = {}) {
  const log: string[] = [];
  const logger: Record<string, unknown> = { child: () => logger };
  for (const level of ['trace', 'debug', 'info', 'warn', 'error'])
    logger[level] = (facts: object, message: string) => log.push(JSON.stringify({ message, ...facts }));
  const programs = createPrograms(table, realClock);
  const world = { clock: realClock, random: realRandom, programs, network: tcp, workingDirectory: process.cwd() };
  const spearlet = createSpearletIn({ ...world, environment }, { ports: 0, logger: logger as never });
  atEnd(() => spearlet.stop({ grace: 0 }));
  return { spearlet, log };
}

test('what cannot be ended is in the report, and a stop does not wait for it for ever', async () => {
  const { spearlet, log } = openElsewhere({ table: { ...processTable, signal: () => false }, environment: process.env });
  const instance = await spearlet.start(treeOf('daemon'));
  const [pid] = JSON.parse((await instance.execute({ command: 'pids' }).result).output!) as number[];
  const report = await instance.stop();
  process.kill(pid!, 'SIGKILL');
  expect(report).toMatchObject({ reason: 'stopped', left: [{ pid, command: 'sleep 900' }] });
  expect(log.filter(line => line.includes('"left":[{'))).toHaveLength(1);
});

describe('what holds', () => {
  test('is told of each instance', async () => {
    const spearlet = openSpearlet();
    const plain = await spearlet.start(everyday);
    expect(plain.containment).toEqual({ tree: 'cookie', diesWithHost: false, memory: 'unlimited' });
    const limited = await spearlet.start({ ...everyday, maxMemory: '1GB', requireContainment: { tree: 'cookie', memory: 'sampled' } });
    expect(limited.containment).toEqual({ tree: 'cookie', diesWithHost: false, memory: 'sampled' });
    const { id } = spearlet.expect({ artifactId: 'theirs' });
    expect(spearlet.get(id)!.containment).toEqual({ tree: 'none', diesWithHost: false, memory: 'unlimited' });
  });

  test('falls back to the cookie where a namespace is not available, and logs the reason', async () => {
    const { spearlet, log } = openElsewhere();
    const instance = await spearlet.start({ ...everyday, containment: 'namespace' });
    expect(instance.containment.tree).toBe('cookie');
    expect(log.find(line => line.includes('a namespace is not available'))).toContain("'setpriv' was not found");
  });

  test('is refused where it is less than what is required', async () => {
    const { spearlet } = openElsewhere();
    const failures = await Promise.all(
      (['namespace', { diesWithHost: true }, { memory: 'sampled' }] as const).map(requireContainment =>
        failureOf(spearlet.start({ ...everyday, requireContainment })),
      ),
    );
    expect(failures.map(({ code }) => code)).toEqual(Array(3).fill('CONTAINMENT_UNAVAILABLE'));
    expect(failures.map(({ message }) => message)).toEqual([
      expect.stringMatching(
        /the containment of the tree is 'cookie', not 'namespace' \(a namespace is not available here: .*'setpriv' was not found/,
      ),
      expect.stringMatching(/its processes would outlive a host that is killed \(a namespace/),
      expect.stringMatching(/its memory is unlimited, since there is no maxMemory$/),
    ]);
    expect(spearlet.instances).toEqual([]);
  });
});
