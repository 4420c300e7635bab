// `input` of a request: a text, bytes, a stream or a file.
import { once } from 'node:events';
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { temporaryFolder } from './command.ts';
import { commandAgent, failureOf, openSpearlet } from './world.ts';

test('a stream, a generator and a file become the standard input of the program, byte for byte', async () => {
  const instance = await openSpearlet().start(commandAgent);
  const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, n) => n % 256));
  const file = join(temporaryFolder(), 'input');
  writeFileSync(file, bytes);
  async function* generate() {
    yield 'caf\u00e9 ';
    yield Buffer.from('and tea');
  }
  const cat = async (input: never) =>
    (await instance.execute({ command: 'cat', input }, { encoding: 'buffer', collect: true }).result).output;
  expect((await cat({ file } as never))?.equals(bytes)).toBe(true);
  expect((await cat(Readable.from([bytes.subarray(0, 7), bytes.subarray(7)]) as never))?.equals(bytes)).toBe(true);
  expect(String(await cat(generate() as never))).toBe('caf\u00e9 and tea');
});

test('an execution waits for its input, lets others pass, and can be cancelled meanwhile', async () => {
  const instance = await openSpearlet().start(commandAgent);
  const [input, never] = [new PassThrough(), new PassThrough()];
  const slow = instance.execute({ command: 'cat', input });
  const cancelled = instance.execute({ command: 'cat', input: never });
  expect((await instance.execute({ command: 'echo', args: ['first'] }).result).output).toBe('first\n');
  cancelled.cancel();
  expect(await failureOf(cancelled.result)).toMatchObject({ code: 'CANCELLED' });
  input.end('at last');
  expect((await slow.result).output).toBe('at last');
  never.end();
  await once(never.resume(), 'end');
});

test('what cannot be read, and what has more than 16 MiB, is refused with words that say so', async () => {
  const instance = await openSpearlet().start(commandAgent);
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'folder'));
  writeFileSync(join(folder, 'large'), '');
  truncateSync(join(folder, 'large'), 16 * 2 ** 20 + 1);
  async function* broken() {
    yield 'x';
    throw new Error('the tap is closed');
  }
  const failure = async (input: never) => failureOf(instance.execute({ command: 'cat', input }).result);
  const refused = (message: string) => ({
    code: 'INVALID_OPTIONS',
    message: expect.stringContaining(message),
    issues: [{ path: 'input' }],
  });
  expect(await failure({ file: join(folder, 'missing') } as never)).toMatchObject(refused('ENOENT'));
  expect(await failure({ file: join(folder, 'folder') } as never)).toMatchObject(refused('EISDIR'));
  expect(await failure({ file: join(folder, 'large') } as never)).toMatchObject(refused('has more than 16777216 bytes'));
  expect(await failure(broken() as never)).toMatchObject(refused('the tap is closed'));
  expect(await failure(Readable.from([1, 2]) as never)).toMatchObject(refused('a stream of number'));
});
