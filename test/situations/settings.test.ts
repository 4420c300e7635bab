// The settings of one request: what becomes of background processes, the working directory, and the agent's own timeout; and that they
// are refused, never ignored, where the agent does not honour them.
import { realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { describe, expect, test } from 'vitest';
import { lives } from './command.ts';
import { commandAgent, everyday, failureOf, openSpearlet, until } from './world.ts';

const sh = (script: string) => ({ command: 'sh', args: ['-c', script] });

describe.each([[1], [2]])('background processes, on wire v%i', version => {
  const options = { protocols: [version as 1 | 2] };

  test('by default they end after their program, also one that ignores SIGTERM and one in a session of its own', async () => {
    const instance = await openSpearlet(options).start(commandAgent);
    const script = `sh -c 'trap "" TERM; echo [$$]; exec sleep 900' & setsid sh -c 'echo [$$]; exec sleep 900' & sleep 0.3; echo started`;
    const { output } = await instance.execute(sh(script)).result;
    expect(output).toContain('started\n');
    const pids = output!.match(/\d+/g)!.map(Number);
    expect(pids).toHaveLength(2);
    await until(() => !pids.some(lives));
  });

  test('with `keep` they live on, do not die of the output that nobody reads, and end with the instance', async () => {
    const instance = await openSpearlet(options).start(commandAgent);
    const script = `(while :; do echo y; done) & echo "[$!]"`;
    const { output } = await instance.execute({ ...sh(script), background: 'keep' }).result;
    const pid = Number(/\[(\d+)\]/.exec(output!)![1]);
    // Each of these has time for the first one to die of a closed pipe.
    for (let n = 0; n < 3; n += 1) await instance.execute(sh('sleep 0.1')).result;
    expect(lives(pid)).toBe(true);
    await instance.stop();
    await until(() => !lives(pid));
  });
});

test.each([[1], [2]])('a working directory, a timeout and a text as input reach the command agent on wire v%i', async version => {
  const instance = await openSpearlet({ protocols: [version as 1 | 2] }).start(commandAgent);
  const { output } = await instance.execute({ ...sh('pwd; cat'), workingDirectory: tmpdir(), input: 'caf\u00e9' }).result;
  expect(output).toBe(`${realpathSync(tmpdir())}\ncaf\u00e9`);
  expect(await failureOf(instance.execute({ ...sh('echo begun; sleep 900'), timeout: 500 }).result)).toMatchObject({
    ...{ code: 'EXECUTION_FAILED', exitCode: 124, output: 'begun\n' },
    error: 'the program did not end within its timeout of 500 ms',
  });
  expect(await failureOf(instance.execute({ ...sh('pwd'), workingDirectory: '/nowhere' }).result)).toMatchObject({
    ...{ exitCode: 126, error: "the working directory '/nowhere' is no folder" },
  });
});

test.each([
  [1, 'workingDirectory', '/'],
  [1, 'timeout', 1],
  [2, 'background', 'keep'],
  [2, 'background', 'end'],
  [2, 'workingDirectory', '/'],
])('on wire v%i `%s` is refused before anything is sent to an agent that has not announced it', async (version, name, value) => {
  const instance = await openSpearlet({ protocols: [version as 1 | 2] }).start(everyday);
  expect(await failureOf(instance.execute({ command: 'echo', args: ['x'], [name]: value }).result)).toMatchObject({
    ...{ code: 'INVALID_OPTIONS', issues: [{ path: name }] },
  });
});
