// Handlers that throw unusual values: each execution is Failed with a message, and the agent goes on.
import { expect, test } from 'vitest';
import { reasonOf } from '../../src/errors.ts';
import type { ExecutionResult, Instance } from '../../src/index.ts';
import { agentFile, everyday, openSpearlet } from '../situations/world.ts';

const thrower = { ...everyday, args: [agentFile('thrower.js')] };

async function outcome(instance: Instance, command: string, ...args: string[]): Promise<ExecutionResult> {
  return instance.execute({ command, args }, { timeout: 5_000, reject: false, collect: true }).result;
}

test.each(['now', 'later', 'thenable', 'thenGetter'])(
  'if a handler throws any value (%s), its execution is Failed with a message and the agent goes on',
  async way => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start(thrower);
    const names = JSON.parse((await outcome(instance, 'names')).output!) as string[];
    const unexpected: unknown[] = [];
    for (const name of names) {
      const { status, error, exitCode, output } = await outcome(instance, way, name);
      if (status !== 'failed' || exitCode !== 1 || output !== null || !error?.trim() || error.length > 70_000)
        unexpected.push({ name, error });
    }
    expect(unexpected).toEqual([]);
    expect((await outcome(instance, way, 'an Error of another realm')).error).toBe('from elsewhere');
    expect((await outcome(instance, way, 'a plain object')).error).toBe("{ code: 'E_OWN' }");
    expect((await outcome(instance, 'echo', 'alive')).output).toBe('alive');
    expect(spearlet.stats().instances[0]!.reconnects).toBe(0);
  },
);

test('only the first answer of a thenable counts', async () => {
  const instance = await openSpearlet().start(thrower);
  expect(await outcome(instance, 'bothWays')).toMatchObject({ status: 'completed', output: 'first' });
});

test('a handler that cannot be read, or is not a function, fails only its own executions', async () => {
  const spearlet = openSpearlet();
  const instance = await spearlet.start(thrower);
  expect(await outcome(instance, 'getter')).toMatchObject({ status: 'failed', error: 'no handler here', exitCode: 1 });
  expect(await outcome(instance, 'nothing')).toMatchObject({
    status: 'failed',
    error: "the handler of 'nothing' is a number, not a function",
  });
  expect(spearlet.stats().instances[0]!.reconnects).toBe(0);
});

test('a refused write() that nobody awaits fails its execution but not the agent; a caught one fails nothing', async () => {
  // Wire v2 would carry the bytes.
  const instance = await openSpearlet({ protocols: [1] }).start(thrower);
  const unawaited = await outcome(instance, 'unawaited');
  expect(unawaited).toMatchObject({ status: 'failed', error: expect.stringContaining('not UTF-8') });
  expect(await outcome(instance, 'afterwards')).toMatchObject({ status: 'completed', output: 'done' });
  expect(await outcome(instance, 'caught')).toMatchObject({ status: 'completed', output: '/w==done' });
  expect((await outcome(instance, 'echo', 'alive')).output).toBe('alive');
});

test('a write() of an invalid value is refused with a message', async () => {
  const instance = await openSpearlet().start(thrower);
  const found = async (kind: string) => (await outcome(instance, 'meaningless', kind)).error;
  expect(await found('undefined')).toBe('write() takes a text or bytes, not undefined');
  expect(await found('null')).toBe('write() takes a text or bytes, not null');
  expect(await found('number')).toBe('write() takes a text or bytes, not a number');
  expect(await found('object')).toBe('write() takes a text or bytes, not an object of the class Object');
});

test('reasonOf returns the message of an error, and cuts a long one', () => {
  expect(reasonOf(new TypeError('as it is'))).toBe('as it is');
  expect(reasonOf('a text')).toBe('a text');
  expect(reasonOf(new RangeError(''))).toBe('RangeError');
  expect(reasonOf(undefined)).toBe('no reason was given (undefined)');
  expect(reasonOf('x'.repeat(65_537))).toMatch(/^x{65536}… \(65537 characters in all\)$/);
  expect(reasonOf(`${'x'.repeat(65_535)}😀`).isWellFormed()).toBe(true);
});
