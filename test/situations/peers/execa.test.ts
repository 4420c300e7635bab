// One program after another by the command agent, as users of execa rely on it.
import { createHash } from 'node:crypto';
import { realpathSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../command.ts';
import { failureOf, seen, until } from '../world.ts';
import { differs, lives, numbersOf, sh, sharedInstance, sharedSpearlet } from './stage.ts';

const spearlet = sharedSpearlet();
const agent = sharedInstance(spearlet);
const failing = (request: object) => agent().execute(request as never, { reject: false }).result;

describe('the end of a program', () => {
  test('all exit codes from 0 to 255 arrive', async () => {
    const codes = Array.from({ length: 256 }, (_, code) => code);
    const results = await Promise.all(codes.map(code => failing(sh(`exit ${code}`))));
    expect(results.map(({ exitCode }) => exitCode)).toEqual(codes);
    expect(results.map(({ status }) => status)).toEqual(codes.map(code => (code === 0 ? 'completed' : 'failed')));
  });

  test('each signal that ends a program is named, and its exit code is 128 + n', async () => {
    const names = [
      ...(['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGILL', 'SIGTRAP', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGKILL', 'SIGUSR1', 'SIGSEGV'] as const),
      ...(['SIGUSR2', 'SIGPIPE', 'SIGALRM', 'SIGTERM', 'SIGXCPU', 'SIGXFSZ', 'SIGVTALRM', 'SIGPROF', 'SIGSYS'] as const),
    ];
    const results = await Promise.all(names.map(name => failing(sh(`ulimit -c 0; kill -s ${name.slice(3)} $$`))));
    expect(results.map(({ exitCode, error }) => [exitCode, error])).toEqual(
      names.map(name => [128 + constants.signals[name], `ended by ${name}`]),
    );
  });

  test('a failure is an error with the exit code and both outputs, or a result with `reject: false`', async () => {
    const request = sh('echo out; echo err >&2; exit 3');
    const said = { exitCode: 3, output: 'out\n', stderr: 'err\n', error: 'exit code 3' };
    expect(await failureOf(agent().execute(request).result)).toMatchObject({ code: 'EXECUTION_FAILED', ...said });
    expect(await failing(request)).toMatchObject({ status: 'failed', ...said });
  });

  test('a result says how long it took', async () => {
    expect((await agent().execute({ command: 'sleep', args: ['0.02'] }).result).duration).toBeGreaterThanOrEqual(15);
  });

  differs('a program that cannot be found or executed has the exit codes of a shell, 127 and 126', async () => {
    expect(await failing({ command: 'no-such-program' })).toMatchObject({ exitCode: 127, error: expect.stringContaining('ENOENT') });
    expect(await failing({ command: import.meta.filename })).toMatchObject({ exitCode: 126, error: expect.stringContaining('EACCES') });
    expect(await failing({ command: '/' })).toMatchObject({ exitCode: 126, error: expect.stringContaining('EACCES') });
  });

  differs('a program that leaves another behind ends at once, and the other with it', async () => {
    const { output } = await agent().execute(sh('sleep 900 & echo $!')).result;
    await until(() => !lives(Number(output)));
  });
});

describe('what cannot be passed is refused before anything starts', () => {
  test.each([
    ['an empty command', { command: '' }, 127, 'the command is empty'],
    ['a NUL in the command', { command: 'a\0b' }, 126, 'the command holds a NUL'],
    ['a NUL in an argument', { command: 'echo', args: ['a', 'b\0c'] }, 126, 'argument 2 holds a NUL'],
    ['a NUL in a variable', { command: 'true', env: { A: 'a\0b' } }, 126, 'the variable "A" holds a NUL'],
    ['an argument that is too long (E2BIG)', { command: 'true', args: ['x'.repeat(131_072)] }, 126, 'at most 131071'],
    ['a working directory that is missing', { command: 'true', workingDirectory: '/nowhere' }, 126, "'/nowhere' is no folder"],
  ])('%s', async (_, request, exitCode, words) => {
    expect(await failing(request)).toMatchObject({ exitCode, error: expect.stringContaining(words) });
  });

  test('arguments that are too many together (E2BIG) are no crash of the agent', async () => {
    const args = Array<string>(60).fill('x'.repeat(131_000));
    expect(await failing({ command: 'true', args })).toMatchObject({ exitCode: 126, error: expect.stringContaining('too many') });
    expect((await agent().execute({ command: 'echo', args: ['on'] }).result).output).toBe('on\n');
  });
});

describe('arguments, directory and environment', () => {
  test('arguments arrive as they are: no shell, no globs, no quotes', async () => {
    const args = ['', ' two  words ', '*', '$HOME', '"', "'", '\\', 'a\nb', '-n', '\u20ac\u{1f600}', '`id`', '%s'];
    const { output } = await agent().execute({ command: 'printf', args: ['%s\\0', ...args] }).result;
    expect(output!.split('\0').slice(0, -1)).toEqual(args);
  });

  test('`workingDirectory` is where it runs, and a relative command is looked for there', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'here'), '#!/bin/sh\npwd\n', { mode: 0o700 });
    const { output } = await agent().execute({ command: './here', workingDirectory: folder }).result;
    expect(output).toBe(`${realpathSync(folder)}\n`);
  });

  test('`env` is added, and replaces what the agent has', async () => {
    const { output } = await agent().execute({ ...sh('echo "$ADDED $LANG"; command -v sh'), env: { ADDED: '=a b', LANG: 'x' } }).result;
    expect(output).toMatch(/^=a b x\n\/.*sh\n$/);
  });

  test('a token is in no environment of a program', async () => {
    expect((await agent().execute({ command: 'env' }).result).output).not.toContain('SPEARLET_TOKEN');
  });
});

describe('output', () => {
  test('stdout and stderr are apart, and each update says its channel', async () => {
    const execution = agent().execute(sh('echo out; echo err >&2'));
    const channels = new Map<string | undefined, string>();
    for await (const { channel, output } of execution) if (output !== undefined) channels.set(channel, output);
    expect(Object.fromEntries(channels)).toEqual({ stdout: 'out\n', stderr: 'err\n' });
    expect(await execution.result).toMatchObject({ output: 'out\n', stderr: 'err\n' });
  });

  test('8 MB arrive intact', async () => {
    const script = sh('head -c 8000000 /dev/urandom >bytes; sha256sum bytes >&2; cat bytes');
    const request = { ...script, workingDirectory: temporaryFolder() };
    const { output, stderr } = await agent().execute(request, { encoding: 'buffer', collect: true }).result;
    expect(output).toHaveLength(8_000_000);
    expect(String(stderr)).toContain(createHash('sha256').update(output!).digest('hex'));
  });

  test('a program that closes its output and goes on is waited for', async () => {
    expect(await failing(sh('echo first; exec >&- 2>&-; sleep 0.02; exit 5'))).toMatchObject({ exitCode: 5, output: 'first\n' });
  });

  test('a reader gets output while the program runs', async () => {
    const folder = temporaryFolder();
    const execution = agent().execute({ ...sh('echo one; while [ ! -e go ]; do sleep 0.01; done; echo two'), workingDirectory: folder });
    await seen(execution.updates$, ({ output }) => output === 'one\n');
    writeFileSync(join(folder, 'go'), '');
    expect((await execution.result).output).toBe('one\ntwo\n');
  });

  differs('the last newline stays', async () => {
    expect((await agent().execute({ command: 'echo', args: ['x'] }).result).output).toBe('x\n');
  });

  differs('a program that has written nothing has the output null', async () => {
    expect(await agent().execute({ command: 'true' }).result).toMatchObject({ output: null, stderr: null });
  });

  differs('output beyond its bound does not end the program: it is counted, for each channel', async () => {
    const request = sh('printf 123456789; printf 123456 >&2; exit 0');
    expect(await agent().execute(request, { collect: 4 }).result).toMatchObject({
      ...{ status: 'completed', output: '1234', stderr: '1234', truncatedBytes: 7 },
    });
  });
});

describe('input', () => {
  const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, n) => (n * n) % 256));
  const file = (): string => {
    const path = join(temporaryFolder(), 'input');
    writeFileSync(path, bytes);
    return path;
  };

  test.each([
    ['bytes', () => bytes],
    [
      'a stream',
      () =>
        (async function* () {
          yield bytes.subarray(0, 1);
          yield bytes.subarray(1);
        })(),
    ],
    ['a file', () => ({ file: file() })],
  ])('%s arrive as they are', async (_, input) => {
    const { output } = await agent().execute({ command: 'cat', input: input() }, { encoding: 'buffer' }).result;
    expect(output?.equals(bytes)).toBe(true);
  });

  test('a text arrives as UTF-8, and an empty one is an end', async () => {
    expect((await agent().execute({ command: 'cat', input: '\u20ac' }).result).output).toBe('\u20ac');
    expect((await agent().execute({ command: 'cat', input: '' }).result).output).toBeNull();
  });

  test('a program that does not read its input is no error', async () => {
    expect(await agent().execute({ command: 'true', input: Buffer.alloc(1_000_000) }).result).toMatchObject({ status: 'completed' });
  });

  test('a file that is missing is an error that names it, and starts nothing', async () => {
    const request = { command: 'cat', input: { file: '/nowhere/input' } };
    expect(await failureOf(agent().execute(request).result)).toMatchObject({ message: expect.stringContaining('/nowhere/input') });
  });

  differs('without input the standard input is at its end: no program waits for it', async () => {
    expect(await agent().execute({ command: 'cat' }).result).toMatchObject({ status: 'completed', output: null });
  });
});

describe('cancel and timeout', () => {
  test('an AbortSignal cancels, its reason is the cause, and the error has the output so far', async () => {
    const aborter = new AbortController();
    const execution = agent().execute(sh('echo $$; echo early >&2; exec sleep 900'), { signal: aborter.signal });
    const [pid] = await numbersOf(execution, 1);
    await seen(execution.updates$, ({ output }) => output === 'early\n');
    aborter.abort(new Error('enough'));
    const cause = expect.objectContaining({ message: 'enough' });
    expect(await failureOf(execution.result)).toMatchObject({ code: 'CANCELLED', output: `${pid}\n`, stderr: 'early\n', cause });
    await until(() => !lives(pid!));
  });

  test('a signal that is aborted already starts nothing', async () => {
    const file = join(temporaryFolder(), 'started');
    const { result } = agent().execute({ command: 'touch', args: [file] }, { signal: AbortSignal.abort() });
    expect(await failureOf(result)).toMatchObject({ code: 'CANCELLED' });
    await agent().execute({ command: 'true' }).result;
    expect((await agent().execute({ command: 'test', args: ['-e', file] }, { reject: false }).result).exitCode).toBe(1);
  });

  test('a timeout is an error with the exit code of timeout(1), and the program ends', async () => {
    const execution = agent().execute({ ...sh('echo $$; exec sleep 900'), timeout: 500 });
    const error = await failureOf(execution.result);
    expect(error).toMatchObject({ code: 'EXECUTION_FAILED', exitCode: 124 });
    // On a busy machine it may not have begun.
    expect(error.output === null || !lives(Number(error.output))).toBe(true);
  });

  differs('a cancel ends the whole tree of a program, and not the program alone', async () => {
    const execution = agent().execute(sh('sleep 900 & echo $!; setsid sh -c "echo \\$\\$; exec sleep 900" & wait'));
    const pids = await numbersOf(execution, 2);
    expect(pids.filter(lives)).toEqual(pids);
    execution.cancel();
    expect(await failureOf(execution.result)).toMatchObject({ code: 'CANCELLED' });
    await until(() => !pids.some(lives));
  });

  test('a cancel after the end changes nothing', async () => {
    const execution = agent().execute({ command: 'echo', args: ['done'] });
    await execution.result;
    execution.cancel();
    expect((await execution.result).output).toBe('done\n');
  });
});
