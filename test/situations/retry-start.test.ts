// `retryStart`: programs that fail before their first ready are started again, within the restart intensity.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { InstanceSpec } from '../../src/index.ts';
import { begin, configFile, temporaryFolder } from './command.ts';
import { agentFile, failureOf, openSpearlet, seen, until } from './world.ts';

const restart = { intensity: 3, backoff: { min: 1, max: 1 } };

/** A program that fails so many times, and is then the agent of this file. */
function late(failures: number, agent: string[] = [agentFile('everyday.js')]): InstanceSpec {
  const count = join(temporaryFolder(), 'count');
  writeFileSync(count, '');
  const script = `echo >>'${count}'; [ $(wc -l <'${count}') -le ${failures} ] && exit 5; exec '${process.execPath}' "$@"`;
  return { artifactId: 'late', command: 'sh', args: ['-c', script, 'sh', ...agent] };
}
const ended = (events: readonly { type: string }[]): number => events.filter(({ type }) => type === 'instance.exited').length;

test('start() waits through failures before the first ready', async () => {
  const spearlet = openSpearlet({ restart });
  const instance = await spearlet.start({ ...late(2), retryStart: true });
  expect(instance.incarnation).toBe(3);
  expect(ended(spearlet.events)).toBe(2);
});

test('after the first ready only `restart` decides', async () => {
  const spearlet = openSpearlet({ restart });
  const crashing = [agentFile('fleeting.js'), 'crash'];
  const temporary = await spearlet.start({ ...late(1, crashing), retryStart: true, transport: 'tcp' });
  expect(await temporary.exited).toMatchObject({ incarnation: 2, reason: 'crashed', code: 4 });
});

test('start() rejects with RESTART_LIMIT when the restart intensity is exceeded', async () => {
  const spearlet = openSpearlet({ restart });
  const error = await failureOf(spearlet.start({ ...late(9), retryStart: true }));
  expect(error).toMatchObject({ code: 'RESTART_LIMIT', exitCode: 5, message: expect.stringContaining('failed 4 times') });
  expect(ended(spearlet.events)).toBe(4);
  expect(spearlet.instances).toEqual([]);
});

test('a program that cannot be started is tried again, too', async () => {
  const spearlet = openSpearlet({ restart });
  const missing = { artifactId: 'missing', command: '/no/such/program', retryStart: true };
  const message = expect.stringMatching(/failed 4 times .* was not found|failed 4 times .*no\/such\/program/);
  expect(await failureOf(spearlet.start(missing))).toMatchObject({ code: 'RESTART_LIMIT', message });
  expect(ended(spearlet.events)).toBe(4);
});

test('an exit code of neverRestartOn ends the tries', async () => {
  const spearlet = openSpearlet({ restart });
  const start = spearlet.start({ ...late(9), retryStart: true, neverRestartOn: [5] });
  expect((await failureOf(start)).code).toBe('EXITED_BEFORE_READY');
  expect(ended(spearlet.events)).toBe(1);
});

test('by default a start fails at once', async () => {
  const spearlet = openSpearlet({ restart });
  expect((await failureOf(spearlet.start({ ...late(1), restart: 'permanent' }))).code).toBe('EXITED_BEFORE_READY');
  expect(ended(spearlet.events)).toBe(1);
});

test('a start that waits for its next try can be aborted', async () => {
  const spearlet = openSpearlet({ restart: { backoff: { min: 1_000_000, max: 1_000_000 } } });
  const aborter = new AbortController();
  const start = failureOf(spearlet.start({ ...late(9), retryStart: true }, { signal: aborter.signal }));
  await seen(spearlet.events$, event => event.type === 'instance.state' && event.state === 'backoff');
  aborter.abort();
  expect((await start).code).toBe('CANCELLED');
  expect(spearlet.instances).toEqual([]);
});

test('`run` exits with 3 if an instance with retryStart never started', async () => {
  const { command, args } = late(9);
  const instances = [{ name: 'late', retryStart: true, config: { command, args } }];
  const run = begin(['run', configFile({ restart: { intensity: 1, backoff: { min: '1ms', max: '1ms' } }, instances })]);
  expect(await run.ended).toBe(3);
  expect(run.text.stdout).toMatch(/late +given up: RESTART_LIMIT \(failed 2 times/);
  expect(run.text.stderr).toMatch(/^spearlet: RESTART_LIMIT: late: failed 2 times/m);
});

test('an execution that waited for a program that cannot start has the same reason and hint as the start', async () => {
  const spearlet = openSpearlet({ restart: { intensity: 5, backoff: { min: 60_000, max: 60_000 } } });
  const start = failureOf(spearlet.start({ artifactId: 'missing', command: '/no/such/program', retryStart: true }));
  await until(() => spearlet.instances.length === 1);
  const instance = spearlet.instances[0]!;
  const execution = failureOf(instance.execute({ command: 'pid' }).result);
  await until(() => instance.state === 'backoff');
  await instance.stop();
  const { hint } = await start;
  expect(await execution).toMatchObject({ code: 'NOT_DELIVERED', cause: { code: 'SPAWN_FAILED', hint } });
});
