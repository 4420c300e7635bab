// A request of the command agent as a real program: what it says, how it ends, and what is refused of it.
import { expect, test, vi } from 'vitest';
import { commandHandler } from '../../src/agent/command.ts';
import { remember } from '../census/census.ts';

function run(command: string, args: string[] = [], env: Record<string, string> = {}, settings = {}) {
  // The census looks for all that has this id: nothing of a program may be left, wherever it went.
  const instanceId = `command-test-${process.pid}`;
  remember(instanceId);
  const aborter = new AbortController();
  const said: string[] = [];
  let heard = (_text: string): void => {};
  const write = async (output: string | Uint8Array): Promise<void> => {
    said.push(String(output));
    heard(said.join(''));
  };
  const result = Promise.resolve(
    commandHandler(() => {})(
      { taskId: 't', command, args, env: { SPEARLET_INSTANCE_ID: instanceId, ...env }, settings },
      { taskId: 't', signal: aborter.signal, carriesBytes: false, write, progress: async () => {} },
    ),
  );
  result.catch(() => {});
  const hears = (text: string) =>
    new Promise<void>(resolve => {
      heard = all => {
        if (all.includes(text)) resolve();
      };
      heard(said.join(''));
    });
  return { result, said, aborter, hears };
}
const shell = (script: string) => run('sh', ['-c', script]);

test('both of its channels are passed on, and its exit code is told', async () => {
  const good = shell('echo out; echo err >&2');
  expect(await good.result).toEqual({ exitCode: 0 });
  expect([...good.said.join('')].sort().join('')).toBe([...'out\nerr\n'].sort().join(''));
  expect(await shell('exit 7').result).toEqual({ exitCode: 7, error: 'exit code 7' });
});

test('one that a signal has ended has the exit code that a shell would give', async () => {
  expect(await shell('kill -9 $$').result).toEqual({ exitCode: 137, error: 'ended by SIGKILL' });
  expect(await shell('kill -15 $$').result).toEqual({ exitCode: 143, error: 'ended by SIGTERM' });
});

test('one that cannot be started says so, with the exit code that a shell would give', async () => {
  expect(await run('/nowhere/at-all').result).toMatchObject({ exitCode: 127, error: expect.stringContaining('/nowhere/at-all') });
  expect(await run('/etc/passwd').result).toMatchObject({ exitCode: 126 });
});

test('one that is cancelled is ended with all that it has started, and rejects with the reason', async () => {
  const reason = new Error('enough');
  const { result, aborter, hears } = shell('trap "" TERM; sleep 900 & echo up; wait; wait; sleep 900');
  await hears('up');
  aborter.abort(reason);
  await expect(result).rejects.toBe(reason);
});

test('processes that could not be ended are counted in its error, at a cancel and at a timeout', async () => {
  const { kill } = process;
  // As if its children were stuck in the kernel: only the leader of the group gets the signals.
  const killing = vi
    .spyOn(process, 'kill')
    .mockImplementation((pid, signal) => kill.call(process, signal === 0 ? pid : Math.abs(pid), signal));
  const script = 'sleep 900 & echo $!; wait';
  const late = run('sh', ['-c', script], {}, { timeout: 100 });
  const cancelled = shell(script);
  await Promise.all([late, cancelled].map(({ hears }) => hears('\n')));
  cancelled.aborter.abort(new Error('enough'));
  const outcomes = await Promise.allSettled([late.result, cancelled.result]);
  killing.mockRestore();
  for (const { said } of [late, cancelled]) process.kill(Number(said.join('')), 'SIGKILL');
  const counted = 'processes that could not be ended: 1';
  expect(outcomes).toMatchObject([
    { value: { exitCode: 124, error: `the program did not end within its timeout of 100 ms; ${counted}` } },
    { reason: { code: 'CANCELLED', message: `enough; ${counted}` } },
  ]);
});

test('one that was cancelled before it began is ended all the same', async () => {
  const { result, aborter } = shell('exec sleep 900');
  aborter.abort(new Error('at once'));
  await expect(result).rejects.toThrow('at once');
});

test('one that has ended is not waited for because another program holds its output, and all that it wrote itself is passed on', async () => {
  const { result, said } = shell('head -c 150000 /dev/zero | tr "\\0" x; (trap "" TERM; while :; do echo y; done) & echo end');
  expect(await result).toEqual({ exitCode: 0 });
  expect(said.join('').replaceAll(/[^xed]/g, '')).toBe(`${'x'.repeat(150_000)}ed`);
});

test.each([
  ['an empty command', '', [], {}, 127, 'the command is empty'],
  ['a NUL in an argument', 'echo', ['a', 'b\0c'], {}, 126, 'argument 2 holds a NUL'],
  ['a NUL in a variable', 'echo', [], { A: '\0' }, 126, 'the variable "A" holds a NUL'],
  ['an argument that is too long', 'echo', ['x'.repeat(131_072)], {}, 126, 'argument 1 has 131072 bytes'],
  ['too many arguments', 'echo', Array(200).fill('x'.repeat(100_000)), {}, 126, 'too many for the system'],
])('%s is refused in words that name it', async (_, command, args, env, exitCode, error) => {
  expect(await run(command, args, env).result).toEqual({ exitCode, error: expect.stringContaining(error) });
});

test('its environment is what was asked for, beside what this agent has', async () => {
  const { result, said } = run('sh', ['-c', 'echo $ASKED $HOME'], { ASKED: 'yes', HOME: '/nowhere' });
  await result;
  expect(said.join('')).toBe('yes /nowhere\n');
});
