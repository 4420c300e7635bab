// A request of the command agent as a real program: what it says, how it ends, and what is refused of it.
import { expect, test, vi } from 'vitest';
import { runCommand } from '../../src/agent/command.ts';
import { realClock } from '../../src/world/clock.ts';
import { remember } from '../census/census.ts';

function run(command: string, args: string[] = [], env: Record<string, string> = {}) {
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
    runCommand(
      { taskId: 't', command, args, env: { SPEARLET_INSTANCE_ID: instanceId, ...env } },
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

test('the alarm that waits for its descendants is cleared when its output has ended', async () => {
  const [set, cleared] = [vi.spyOn(realClock, 'setTimeout'), vi.spyOn(realClock, 'clearTimeout')];
  await shell('exit 0').result;
  const alarms = set.mock.results.filter((_, call) => set.mock.calls[call]![1] === 250);
  expect(alarms).toHaveLength(1);
  expect(cleared.mock.calls.map(([timer]) => timer)).toContain(alarms[0]!.value);
  vi.restoreAllMocks();
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

test('one that was cancelled before it began is ended all the same', async () => {
  const { result, aborter } = shell('exec sleep 900');
  aborter.abort(new Error('at once'));
  await expect(result).rejects.toThrow('at once');
});

test('one that has ended is not waited for because another program holds its output', async () => {
  const { result, said } = shell('sleep 900 & echo $!');
  expect(await result).toEqual({ exitCode: 0 });
  process.kill(Number(said.join('')), 'SIGKILL');
});

test('its environment is what was asked for, beside what this agent has', async () => {
  const { result, said } = run('sh', ['-c', 'echo $ASKED $HOME'], { ASKED: 'yes', HOME: '/nowhere' });
  await result;
  expect(said.join('')).toBe('yes /nowhere\n');
});
