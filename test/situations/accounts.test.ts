// What is counted and told over the life of an instance adds up: reconnects, sessions opened and closed, lines of the log.
import { PassThrough } from 'node:stream';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { everyday, failureOf, joinAs, openSpearlet, seen, startHollow, type TestSpearlet, until } from './world.ts';

const ids = (spearlet: TestSpearlet, type: 'connection.opened' | 'connection.closed') =>
  spearlet.events.flatMap(event => (event.type === type ? [event.connectionId] : []));

test('`reconnects` in stats() never decreases, also where an incarnation never has a session', async () => {
  const spearlet = openSpearlet({ restart: { intensity: 10, backoff: { min: 1, max: 1 } }, reconnectWindow: 20_000 });
  const { environment, instance, ready } = await startHollow(spearlet, { restart: 'permanent' });
  const first = await joinAs(environment);
  await ready;
  first.close();
  await seen(instance.state$, state => state === 'reconnecting');
  await joinAs(environment);
  await seen(instance.state$, state => state === 'ready');
  const reconnects = () => spearlet.stats().instances[0]!.reconnects;
  expect(reconnects()).toBe(1);
  for (let incarnation = 2; incarnation < 4; incarnation += 1) {
    const { pid } = instance;
    process.kill(pid!, 'SIGKILL');
    await until(() => instance.incarnation === incarnation && instance.pid !== null && instance.pid !== pid);
    expect(reconnects()).toBe(1);
  }
});

describe('every connection.opened has its connection.closed', () => {
  const ends: [string, (world: TestSpearlet) => Promise<unknown>][] = [
    ['the instance is stopped, at once', spearlet => spearlet.instances[0]!.stop({ grace: 0 })],
    ['the instance is stopped, with grace', spearlet => spearlet.instances[0]!.stop()],
    ['the spearlet is stopped', spearlet => spearlet.stop({ grace: 0 })],
    ['the program crashes', spearlet => failureOf(spearlet.instances[0]!.execute({ command: 'exit', args: ['9'] }).result)],
  ];
  test.each(ends)('where %s', async (_, end) => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start(everyday);
    await end(spearlet);
    await instance.exited;
    await until(() => spearlet.instances.length === 0);
    expect(ids(spearlet, 'connection.opened').length).toBe(1);
    expect(ids(spearlet, 'connection.closed')).toEqual(ids(spearlet, 'connection.opened'));
    // The last event of a connection comes before the end of its incarnation.
    const types = spearlet.events.map(({ type }) => type);
    expect(types.indexOf('connection.closed')).toBeLessThan(types.indexOf('instance.exited'));
  });

  test('where the host ends the connection with its incarnation, with the code INCARNATION_ENDED', async () => {
    const spearlet = openSpearlet();
    const { environment, instance } = await startHollow(spearlet);
    const agent = await joinAs(environment);
    await seen(instance.state$, state => state === 'ready');
    await instance.stop({ grace: 0 });
    await agent.closed;
    expect(spearlet.events.filter(({ type }) => type === 'connection.closed')).toMatchObject([{ code: 'INCARNATION_ENDED' }]);
  });
});

test('no log line has a key twice', async () => {
  const lines: string[] = [];
  const stream = new PassThrough();
  stream.on('data', (chunk: Buffer) => lines.push(...chunk.toString().trim().split('\n')));
  const spearlet = openSpearlet({ logger: pino({ name: 'test', level: 'trace' }, stream) as never });
  const instance = await spearlet.start(everyday);
  await instance.execute({ command: 'echo' }).result;
  await instance.stop({ grace: 0 });
  await until(() => lines.some(line => line.includes('"state":"stopped"')));
  const twice = lines.filter(line => {
    const keys = [...line.matchAll(/[{,]"(\w+)":/g)].map(([, key]) => key);
    // Only the outermost object of a line: what is nested has names of its own.
    const outer = Object.keys(JSON.parse(line));
    return outer.some(key => keys.filter(each => each === key).length > 1);
  });
  expect(twice).toEqual([]);
  expect(lines.map(line => JSON.parse(line)).find(({ msg }) => msg === 'program started')).toMatchObject({ programPid: instance.pid });
});
