// The stages of a stop: every process of the tree is asked before it is killed, and a drain keeps the results of what is in hand.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { InstanceSpec } from '../../src/index.ts';
import { temporaryFolder } from './command.ts';
import { agentFile, everyday, failureOf, hollow, openSpearlet, seen, until } from './world.ts';

const PATIENCE = 25_000;
const plain: InstanceSpec = { artifactId: 'plain', command: process.execPath, args: [agentFile('plain.js')] };

/** An agent with a daemon that says goodbye on SIGTERM. `before` runs in the daemon when it is ready. */
function withDaemon(before: string, agent = 'everyday.js') {
  const folder = temporaryFolder();
  const [ready, goodbye] = [join(folder, 'ready'), join(folder, 'goodbye')];
  const daemon = `trap 'touch ${goodbye}; exit 0' TERM; touch ${ready}; ${before} while :; do sleep 0.05; done`;
  const args = ['-c', 'setsid sh -c "$0" >/dev/null 2>&1 & exec "$1" "$2" connects', daemon, process.execPath, agentFile(agent)];
  return { ready, goodbye, spec: { artifactId: 'with-daemon', command: 'sh', args } };
}

test.each([
  ['a daemon', ''],
  ['a daemon that is stopped', 'kill -STOP $$;'],
])('%s gets SIGTERM, and time, when its agent has ended within the grace', async (_, before) => {
  const spearlet = openSpearlet();
  const { ready, goodbye, spec } = withDaemon(before);
  const instance = await spearlet.start(spec);
  await until(() => existsSync(ready));
  const report = await instance.stop({ grace: PATIENCE });
  expect(report).toMatchObject({ reason: 'stopped', code: 0, left: [] });
  expect(report.stopStages).not.toHaveProperty('killed');
  expect(existsSync(goodbye)).toBe(true);
});

test('a daemon gets SIGTERM with its agent, at the same stage', async () => {
  const spearlet = openSpearlet();
  const { ready, goodbye, spec } = withDaemon('', 'stubborn.js');
  const instance = await spearlet.start(spec);
  await until(() => existsSync(ready));
  void instance.stop({ grace: PATIENCE });
  await until(() => existsSync(goodbye));
  await spearlet.stop({ grace: 0 });
  expect(await instance.exited).toMatchObject({ signal: 'SIGKILL', stopStage: 'killed' });
});

test('what an agent that crashes leaves behind is asked, too', async () => {
  const spearlet = openSpearlet();
  const { ready, goodbye, spec } = withDaemon('');
  const instance = await spearlet.start(spec);
  await until(() => existsSync(ready));
  process.kill(instance.pid!, 'SIGKILL');
  expect(await instance.exited).toMatchObject({ reason: 'crashed', stopStage: null, left: [] });
  expect(existsSync(goodbye)).toBe(true);
});

test('a daemon that ignores SIGTERM is killed at the end of the grace', async () => {
  const spearlet = openSpearlet();
  const script = `setsid sh -c 'trap "" TERM; while :; do sleep 0.05; done' >/dev/null 2>&1 & exec "$0" "$1"`;
  const spec = { artifactId: 'deaf', command: 'sh', args: ['-c', script, process.execPath, agentFile('everyday.js')] };
  const instance = await spearlet.start(spec);
  const report = await instance.stop({ grace: 600 });
  expect(report).toMatchObject({ code: 0, stopStage: 'killed', left: [] });
  expect(report.stopStages.killed).toBeGreaterThanOrEqual(590);
});

test('an instance has a kill signal, a grace and a connect timeout of its own', async () => {
  const spearlet = openSpearlet({ grace: 600_000, connectTimeout: 600_000 });
  const interrupted = await spearlet.start({ ...plain, killSignal: 'SIGINT', grace: 2 });
  expect(await interrupted.stop({ grace: PATIENCE })).toMatchObject({ signal: 'SIGINT', stopStage: 'signalled' });
  const urgent = await spearlet.start({ ...plain, grace: 0 });
  const patient = await spearlet.start(everyday);
  await spearlet.stop();
  expect(await urgent.exited).toMatchObject({ stopStage: 'killed' });
  expect(await patient.exited).toMatchObject({ stopStage: 'asked', code: 0 });
  const another = openSpearlet({ connectTimeout: 600_000 });
  expect(await failureOf(another.start({ ...hollow, connectTimeout: 50 }))).toMatchObject({ code: 'CONNECT_TIMEOUT' });
});

test('a stop that drains takes no new work, and keeps the results of what is in hand', async () => {
  const spearlet = openSpearlet();
  const instance = await spearlet.start(everyday);
  const working = instance.execute({ command: 'laterUnlessAborted', args: ['1500', 'done'] });
  await seen(working.updates$, ({ status }) => status === 'started');
  const stopping = instance.stop({ drain: true, grace: PATIENCE });
  expect(await failureOf(instance.execute({ command: 'echo' }).result)).toMatchObject({ code: 'INSTANCE_STOPPED' });
  expect(instance.state).toBe('stopping');
  expect((await working.result).output).toBe('done');
  expect(await stopping).toMatchObject({ reason: 'stopped', code: 0, stopStage: 'asked' });
});

test('a stop without drain ends a drain at once, also with the same grace', async () => {
  const spearlet = openSpearlet();
  const instance = await spearlet.start(everyday);
  const endless = instance.execute({ command: 'wait' });
  await seen(endless.updates$, ({ status }) => status === 'started');
  const draining = instance.stop({ drain: true, grace: PATIENCE });
  await instance.stop({ grace: PATIENCE });
  expect(await draining).toMatchObject({ reason: 'stopped' });
});

test('a stop that drains sends SIGTERM in time before SIGKILL', async () => {
  const spearlet = openSpearlet();
  const instance = await spearlet.start(everyday);
  const endless = instance.execute({ command: 'wait' });
  await seen(endless.updates$, ({ status }) => status === 'started');
  const report = await instance.stop({ drain: true, grace: 3_000 });
  expect(report).toMatchObject({ code: 0, stopStage: 'signalled' });
  expect(report.stopStages.signalled).toBeGreaterThanOrEqual(1_990);
  expect(await failureOf(endless.result)).toMatchObject({ code: 'EXECUTION_FAILED', error: 'this agent has to end' });
});
