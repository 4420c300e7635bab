// Options and arguments that throw when they are read: each gets INVALID_OPTIONS, and nothing is started.
import { describe, expect, test } from 'vitest';
import { createSpearlet, instanceSpecFromConfig } from '../../src/index.ts';
import { everyday, failureOf, openSpearlet, type TestSpearlet } from './world.ts';

const thrown = Object.assign(Object.create(null), { message: 7 });
const throwing = (key: string): object => ({
  get [key]() {
    throw thrown;
  },
});
const trapped = (target: object): object =>
  new Proxy(target, {
    get() {
      throw thrown;
    },
    ownKeys() {
      throw thrown;
    },
  });
const revoked = (): object => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
};

const hostile: [string, (key: string) => unknown][] = [
  ['a getter that throws', throwing],
  ['a Proxy that throws', () => trapped({})],
  ['a revoked Proxy', revoked],
  ['a value that is a revoked Proxy', key => ({ [key]: revoked() })],
  ['an unknown key whose getter throws', () => throwing('unknown')],
];
const doors: [string, string, (spearlet: TestSpearlet, value: never) => unknown][] = [
  ['createSpearlet()', 'host', (_, value) => createSpearlet(value)],
  ['createSpearlet() by its logger', 'logger', (_, value) => createSpearlet(value)],
  ['start()', 'command', (spearlet, value) => spearlet.start(value)],
  [
    'start() by its environment',
    'environment',
    (spearlet, value) => spearlet.start(Object.assign({ ...everyday }, { environment: value })),
  ],
  ['start() by its options', 'signal', (spearlet, value) => spearlet.start(everyday, value)],
  ['expect()', 'artifactId', (spearlet, value) => spearlet.expect(value)],
  ['stop()', 'grace', (spearlet, value) => spearlet.stop(value)],
];

describe.each(doors)('%s', (_, key, call) => {
  test.each(hostile)('given %s says INVALID_OPTIONS', async (_, make) => {
    const spearlet = openSpearlet();
    const error = await failureOf((async () => call(spearlet, make(key) as never))());
    expect(error).toMatchObject({ name: 'SpearletError', code: 'INVALID_OPTIONS' });
    expect(spearlet.instances).toEqual([]);
  });
});

test.each(hostile)('an instance given %s says INVALID_OPTIONS, and goes on', async (_, make) => {
  const spearlet = openSpearlet();
  const instance = await spearlet.start(everyday);
  for (const call of [
    () => instance.execute(make('command') as never).result,
    () => instance.execute({ command: 'echo', env: make('env') as never }).result,
    () => instance.execute({ command: 'echo' }, make('timeout') as never).result,
    () => instance.stop(make('grace') as never),
    async () => instance.send(make('data') as never),
    async () => instanceSpecFromConfig(make('config')),
  ])
    expect((await failureOf(call())).code).toMatch(/^INVALID_(OPTIONS|CONFIG)$/);
  expect((await instance.execute({ command: 'echo', args: ['on'] }).result).output).toBe('on');
});

test('an object that only has the prototype of an AbortSignal is refused', async () => {
  const spearlet = openSpearlet();
  const instance = await spearlet.start(everyday);
  const signal = Object.create(AbortSignal.prototype);
  expect(await failureOf(spearlet.start(everyday, { signal }))).toMatchObject({ code: 'INVALID_OPTIONS' });
  expect(await failureOf(instance.execute({ command: 'echo' }, { signal }).result)).toMatchObject({ code: 'INVALID_OPTIONS' });
  expect(spearlet.instances).toEqual([instance]);
});
