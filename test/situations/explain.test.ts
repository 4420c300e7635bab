// explain(), asked about real agents: what they wait for, how they ended, and nothing that is secret.
import { describe, expect, test } from 'vitest';
import { dial, everyday, failureOf, joinAs, openSpearlet, seen, startHollow, until } from './world.ts';

/** Every text that can be reached from a value, by any property, with its getters, in maps and sets. */
function textsIn(value: unknown, visited: Set<unknown>, texts: string[]): void {
  if (typeof value === 'string') texts.push(value);
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null || visited.has(value)) return;
  visited.add(value);
  if (value instanceof Map || value instanceof Set) for (const each of value) textsIn(each, visited, texts);
  for (const key of Reflect.ownKeys(value)) {
    texts.push(String(key));
    const { value: held } = Object.getOwnPropertyDescriptor(value, key)!;
    textsIn(held, visited, texts);
  }
}

describe('an instance that waits', () => {
  test('for its program to connect explains until when, and lists its connections', async () => {
    const spearlet = openSpearlet({ connectTimeout: 300_000, authTimeout: 200_000 });
    const { instance, environment } = await startHollow(spearlet);
    expect(spearlet.explain(instance.id)).toMatchObject({
      artifactId: 'hollow',
      pid: instance.pid,
      state: 'listening',
      chart: { state: 'running.started.connecting.listening', meaning: 'No socket is connected.' },
      waits: [{ timeout: 'connectTimeout', until: expect.any(Number) }],
      endedBy: expect.arrayContaining(['socket.accepted', 'process.exited', 'stop']),
      connections: [],
      lastExit: null,
    });
    await dial(environment.SPEARLET_ADDR!);
    await seen(instance.state$, state => state === 'authenticating');
    const { connections, transitions } = spearlet.explain(instance.id)!;
    expect(connections).toMatchObject([
      { session: false, states: [{ state: 'authenticating.accepted' }], waits: [{ timeout: 'authTimeout' }] },
    ]);
    expect(transitions.at(-1)).toMatchObject({ event: 'socket.accepted', facts: { connectionId: connections[0]!.connectionId } });
    expect(spearlet.stats().instances[0]!.connections[0]!.connectionId).toBe(connections[0]!.connectionId);
  });

  test('in backoff explains until when, and why', async () => {
    const longest = 2 ** 31 - 1;
    const spearlet = openSpearlet({ restart: { backoff: { min: longest, max: longest } } });
    const instance = await spearlet.start({ ...everyday, restart: 'permanent' });
    const exiting = instance.execute({ command: 'exit', args: ['9'] });
    await failureOf(exiting.result);
    await seen(instance.state$, state => state === 'backoff');
    const explanation = spearlet.explain(instance.id)!;
    expect(explanation).toMatchObject({
      state: 'backoff',
      waits: [{ timeout: 'backoff' }],
      endedBy: ['stop', 'restart'],
      lastExit: { code: 9, reason: 'crashed', incarnation: 1 },
    });
    expect(explanation.waits[0]!.until).toBeGreaterThan(explanation.chart.since);
    expect(explanation.transitions.map(({ to }) => to)).toEqual(
      expect.arrayContaining([
        'running.started.connected.ready',
        'running.started.connected.executing',
        'running.exiting.cleaningUp',
        'failed',
        'backoff',
      ]),
    );
    expect(String(explanation)).toMatch(/is backoff at .*\n(.*\n)*.*until .* backoff\): then the next incarnation starts/);
  });
});

test('an executing instance is explained with its executions in flight', async () => {
  const spearlet = openSpearlet();
  const instance = await spearlet.start(everyday);
  const waiting = instance.execute({ command: 'wait' });
  await seen(waiting.updates$, ({ status }) => status === 'started');
  expect(spearlet.explain(instance.id)).toMatchObject({ state: 'executing', inFlight: 1, connections: [{ session: true }] });
  waiting.cancel();
});

describe('an instance that is stopped', () => {
  test('is explained by its last exit', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start(everyday);
    const report = await instance.stop();
    await until(() => spearlet.get(instance.id) === undefined);
    expect(spearlet.explain(instance.id)).toMatchObject({ state: 'stopped', waits: [], connections: [], lastExit: report });
    expect(spearlet.explain('nobody-00000000')).toBeUndefined();
  });

  test('even where its start failed, by the id in the error', async () => {
    const spearlet = openSpearlet();
    const error = await failureOf(spearlet.start({ ...everyday, args: ['-e', 'console.error("no config"); process.exit(3)'] }));
    const explanation = spearlet.explain(error.instanceId!)!;
    expect(explanation).toMatchObject({ state: 'stopped', lastExit: { code: 3, stderr: expect.stringContaining('no config') } });
    expect(String(explanation)).toContain('| no config');
    const unspawned = await failureOf(spearlet.start({ ...everyday, command: '/no/such/program' }));
    expect(spearlet.explain(unspawned.instanceId!)).toMatchObject({ lastExit: { reason: 'spawn' } });
  });

  test('with the limit of its restarts, as `exited` says it', async () => {
    const spearlet = openSpearlet({ restart: { intensity: 0 } });
    const instance = await spearlet.start({ ...everyday, restart: 'permanent' });
    instance.execute({ command: 'exit', args: ['9'] });
    const report = await instance.exited;
    await until(() => spearlet.get(instance.id) === undefined);
    expect(report.reason).toBe('restart');
    expect(spearlet.explain(instance.id)!.lastExit).toEqual(report);
  });
});

test.each(['a function', 'an observer'])('no token can be reached from what %s inspects, nor from an explanation', async kind => {
  const visited = new Set<unknown>();
  const texts: string[] = [];
  let events = 0;
  const inspect = (event: unknown): void => {
    events += 1;
    textsIn(event, visited, texts);
  };
  const spearlet = openSpearlet({ inspect: kind === 'a function' ? inspect : { next: inspect } });
  const { environment, instance } = await startHollow(spearlet);
  const token = environment.SPEARLET_TOKEN!;
  const wrong = await joinAs({ ...environment, SPEARLET_TOKEN: `${token}x` }).catch((error: Error) => error);
  expect(wrong).toBeInstanceOf(Error);
  await joinAs(environment);
  await seen(instance.state$, state => state === 'ready');
  const explain = () => {
    const explanation = spearlet.explain(instance.id)!;
    texts.push(JSON.stringify(explanation), String(explanation));
  };
  explain();
  await instance.stop({ grace: 0 });
  explain();
  expect(events).toBeGreaterThan(20);
  expect(texts).toContain(instance.id);
  expect(texts.filter(text => text.includes(token))).toEqual([]);
});

test('an expected agent that is stopped has no output to drain, and ends at once', async () => {
  const spearlet = openSpearlet();
  const expected = spearlet.expect({ artifactId: 'external' });
  await expected.stop();
  const causes = spearlet.explain(expected.id)!.transitions.map(({ event }) => event);
  expect(causes).toContain('process.exited');
  expect(causes.filter(event => event.includes('outputTimeout'))).toEqual([]);
});
