// Nothing of a tree lives on, however it is shaped and however it ends; and what a report says of an end.
import { describe, expect, test } from 'vitest';
import type { Instance, InstanceSpec } from '../../src/index.ts';
import { processTable } from '../../src/process/table.ts';
import { shapes } from '../agents/tree.js';
import { agentFile, everyday, failureOf, openSpearlet, seen, type World } from './world.ts';

const treeOf = (shape: string, more: Partial<InstanceSpec> = {}): InstanceSpec => ({
  artifactId: shape,
  command: process.execPath,
  args: [agentFile('tree.js'), shape],
  ...more,
});
/** Everybody who lives and belongs to an instance by the environment. */
const living = ({ id }: Pick<Instance, 'id'>): number[] =>
  processTable.pids().filter(pid => processTable.entry(pid)?.living && processTable.cookie(pid) === id);
const exitsOf = ({ events }: World) => events.flatMap(event => (event.type === 'instance.exited' ? [event.report] : []));

const ways: Record<string, (instance: Instance, spearlet: World) => Promise<unknown>> = {
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
  'the spearlet is stopped': (_, spearlet) => spearlet.stop({ grace: 2_000 }),
};

describe.each(Object.keys(ways))('of twelve trees nothing is left when %s', way => {
  test('and the report says so', async () => {
    const spearlet = openSpearlet();
    const instances = await Promise.all(Object.keys(shapes).map(shape => spearlet.start(treeOf(shape))));
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

  test('says on which rung it ended, and when each was reached', async () => {
    const spearlet = openSpearlet();
    const [asked, killed, urgent] = await Promise.all([everyday, stubborn, stubborn].map(spec => spearlet.start(spec)));
    const willing = await asked!.stop();
    expect(willing).toMatchObject({ reason: 'stopped', rung: 'asked', rungs: { asked: expect.any(Number) }, left: [] });
    expect(Object.keys(willing.rungs)).toEqual(['asked']);
    const { rung, rungs } = await killed!.stop({ grace: 300 });
    expect(rung).toBe('killed');
    expect(Object.keys(rungs)).toEqual(['asked', 'signalled', 'killed']);
    expect(rungs.signalled).toBeGreaterThanOrEqual(150);
    expect(rungs.killed).toBeGreaterThanOrEqual(rungs.signalled!);
    expect(Object.keys((await urgent!.stop({ grace: 0 })).rungs)).toEqual(['killed']);
  });

  test('of a program that ended by itself names no rung', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start(treeOf('child'));
    instance.execute({ command: 'crash' });
    expect(await instance.exited).toMatchObject({ reason: 'crashed', signal: 'SIGABRT', rung: null, rungs: {}, left: [] });
  });

  test('says how much memory it had when it had to end', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start(everyday);
    const { peakMemory } = await instance.stop();
    expect(peakMemory).toBeGreaterThan(5e6);
    expect(peakMemory).toBeLessThan(500e6);
  });
});
