// Restarts as users of OTP's supervisor, systemd, Nomad, PM2 and supervisord rely on them.
import { describe, expect, test } from 'vitest';
import type { InstanceSpec } from '../../../src/index.ts';
import { everyday, failureOf, hollow, seen, until } from '../world.ts';
import { begin, crash, differs, ends, quick, sharedInstance, sharedSpearlet } from './stage.ts';

const spearlet = sharedSpearlet();

/** Whether an agent is restarted that always ends so. With intensity 1 the second failure is the last. */
async function isRestarted(restart: InstanceSpec['restart'], how: number | NodeJS.Signals): Promise<boolean> {
  const instance = await begin(spearlet(), { ...ends(how), restart, intensity: 1, backoff: quick });
  const { incarnation } = await instance.exited;
  return incarnation === 2;
}

describe('OTP supervisor', () => {
  test.each([
    ['permanent', 'an exit with 0', 0, true],
    ['permanent', 'an exit with 1', 1, true],
    ['permanent', 'a kill', 'SIGKILL', true],
    ['permanent', 'a shutdown by another', 'SIGTERM', true],
    ['transient', 'an exit with 0', 0, false],
    ['transient', 'an exit with 1', 1, true],
    ['transient', 'a kill', 'SIGKILL', true],
    ['transient', 'a shutdown by another', 'SIGTERM', false],
    ['temporary', 'an exit with 0', 0, false],
    ['temporary', 'an exit with 1', 1, false],
    ['temporary', 'a kill', 'SIGKILL', false],
    ['temporary', 'a shutdown by another', 'SIGTERM', false],
  ] as const)('%s, after %s', async (restart, _, end, expected) => {
    expect(await isRestarted(restart, end)).toBe(expected);
  });

  test('with intensity 0 the first failure ends a permanent child for good, and says so', async () => {
    const instance = await begin(spearlet(), { restart: 'permanent', intensity: 0 });
    const givenUp = seen(spearlet().events$, ({ type, instanceId }) => type === 'instance.givenUp' && instanceId === instance.id);
    crash(instance);
    expect(await givenUp).toMatchObject({ code: 'RESTART_LIMIT' });
    expect(await instance.exited).toMatchObject({ reason: 'restart', signal: 'SIGKILL' });
  });

  test('the failure of a temporary child never reaches the intensity', async () => {
    const instance = await begin(spearlet(), { ...ends(1), restart: 'temporary', intensity: 0 });
    expect(await instance.exited).toMatchObject({ reason: 'crashed', code: 1 });
  });

  test('a child that cannot be started is no child: it is not listed, and its error names it', async () => {
    const error = await failureOf(spearlet().start({ artifactId: 'missing', command: '/nowhere/missing' }));
    expect(error).toMatchObject({ code: 'SPAWN_FAILED', message: expect.stringContaining('/nowhere/missing') });
    expect(spearlet().instances.map(({ artifactId }) => artifactId)).not.toContain('missing');
  });

  test('the supervisor lists the children that are not over', async () => {
    const instance = await begin(spearlet());
    expect(spearlet().instances).toContain(instance);
    await instance.stop({ grace: 0 });
    expect(spearlet().instances).not.toContain(instance);
  });

  test('one_for_one: a restart does not touch the siblings', async () => {
    const [failing, sibling] = await Promise.all([begin(spearlet(), { restart: 'permanent', backoff: quick }), begin(spearlet())]);
    const { pid } = sibling;
    crash(failing);
    await seen(failing.state$, state => state === 'ready' && failing.incarnation === 2);
    expect([sibling.state, sibling.pid, sibling.incarnation]).toEqual(['ready', pid, 1]);
  });

  differs('a child that is given up does not end its siblings', async () => {
    const [failing, sibling] = await Promise.all([begin(spearlet(), { restart: 'permanent', intensity: 0 }), begin(spearlet())]);
    crash(failing);
    expect(await failing.exited).toMatchObject({ reason: 'restart' });
    expect([sibling.state, sibling.incarnation]).toEqual(['ready', 1]);
  });

  differs('a restart waits for its backoff first', async () => {
    const instance = await begin(spearlet(), { restart: 'permanent', backoff: { min: 60_000, max: 60_000 } });
    crash(instance);
    await seen(instance.state$, state => state === 'backoff');
    expect((await instance.stop()).reason).toBe('crashed');
  });

  differs('the same spec may be started twice: the instances have different ids', async () => {
    const [one, another] = await Promise.all([begin(spearlet()), begin(spearlet())]);
    expect(one.artifactId).toBe(another.artifactId);
    expect(one.id).not.toBe(another.id);
  });
});

describe('systemd', () => {
  test('SuccessExitStatus: such a code is a clean end, after which `transient` does not restart', async () => {
    const instance = await begin(spearlet(), { ...ends(3), restart: 'transient', successCodes: [3] });
    expect(await instance.exited).toMatchObject({ reason: 'completed', code: 3, incarnation: 1 });
  });

  test('RestartPreventExitStatus: such a code ends even Restart=always, and is reported as a crash', async () => {
    const instance = await begin(spearlet(), { ...ends(78), restart: 'permanent', neverRestartOn: [78] });
    expect(await instance.exited).toMatchObject({ reason: 'crashed', code: 78, incarnation: 1 });
  });

  test('a stop by the operator is final, whatever Restart says', async () => {
    const instance = await begin(spearlet(), { restart: 'permanent', backoff: quick });
    expect(await instance.stop({ grace: 0 })).toMatchObject({ reason: 'stopped', incarnation: 1 });
    expect(instance.state).toBe('stopped');
  });

  test('a restart by the operator is no failure: it does not count against StartLimitBurst', async () => {
    const instance = await begin(spearlet(), { restart: 'temporary', intensity: 0 });
    await instance.restart({ grace: 0 });
    expect([instance.state, instance.incarnation]).toEqual(['ready', 2]);
  });

  test('TimeoutStartSec: a program that does not become ready in time is ended', async () => {
    const sleeps = { artifactId: 'sleeps', command: 'sleep', args: ['900'], connectTimeout: 1 };
    expect(await failureOf(spearlet().start(sleeps))).toMatchObject({ code: 'CONNECT_TIMEOUT' });
  });

  test.each([
    ['a working directory that is missing', '/nowhere', { workingDirectory: '/nowhere' }],
    ['a program without the execute permission', 'not executable', { command: import.meta.filename }],
    ['a folder in place of a program', "the program '/usr' w", { command: '/usr' }],
  ])('%s fails the start, and the error says so', async (_, words, spec) => {
    const error = await failureOf(spearlet().start({ ...ends('stay'), ...spec }));
    expect(error).toMatchObject({ code: 'SPAWN_FAILED', message: expect.stringContaining(words) });
  });

  differs('death by SIGHUP, SIGINT or SIGPIPE is a failure: `transient` restarts', async () => {
    const signals = ['SIGHUP', 'SIGINT', 'SIGPIPE'] as const;
    expect(await Promise.all(signals.map(signal => isRestarted('transient', signal)))).toEqual([true, true, true]);
  });
});

describe('Nomad', () => {
  test('restart mode "fail": the attempts within the interval are counted, and the last failure ends the task', async () => {
    const instance = await begin(spearlet(), { ...ends(9), restart: 'permanent', intensity: 2, backoff: quick });
    expect(await instance.exited).toMatchObject({ reason: 'restart', code: 9, incarnation: 3 });
  });
});

describe('PM2', () => {
  differs('without a policy nothing is restarted', async () => {
    expect(await isRestarted(undefined, 1)).toBe(false);
  });

  test('stop_exit_codes keep an application from its restart, also 0', async () => {
    const instance = await begin(spearlet(), { ...ends(0), restart: 'permanent', neverRestartOn: [0] });
    expect(await instance.exited).toMatchObject({ reason: 'completed', code: 0, incarnation: 1 });
  });

  test('exp_backoff_restart_delay: the wait grows with each failure, up to its bound, and is explained', async () => {
    const instance = await begin(spearlet(), { restart: 'permanent', backoff: { min: 50_000, max: 150_000, jitter: 'none' } });
    const waits: number[] = [];
    for (let n = 0; n < 3; n += 1) {
      crash(instance);
      await seen(instance.state$, state => state === 'backoff');
      const { waits: timeouts, chart } = spearlet().explain(instance.id)!;
      waits.push(timeouts.find(({ timeout }) => timeout === 'backoff')!.until! - chart.since);
      await instance.restart({ grace: 0 });
    }
    expect(waits.map(wait => Math.round(wait / 1_000))).toEqual([50, 100, 150]);
  });
});

describe('supervisord', () => {
  const exits = { artifactId: 'exits', command: 'sh', args: ['-c', 'echo the reason >&2; exit 6'] };

  test('startretries: a program that never stays up is tried so often, then it is given up', async () => {
    let spawned = 0;
    const counting = spearlet().events$.subscribe(({ type }) => (spawned += type === 'instance.spawned' ? 1 : 0));
    const start = spearlet().start({ ...exits, retryStart: true, intensity: 3, backoff: quick });
    expect(await failureOf(start)).toMatchObject({ code: 'RESTART_LIMIT' });
    counting.unsubscribe();
    expect(spawned).toBe(4);
  });

  test('a program that exits while it is starting is reported with its exit code and its stderr', async () => {
    const error = await failureOf(spearlet().start(exits));
    expect(error).toMatchObject({ code: 'EXITED_BEFORE_READY', exitCode: 6, stderr: 'the reason' });
  });

  differs('a program is up when its agent has authenticated, and not when it has lived for some seconds', async () => {
    const start = spearlet().start({ ...hollow, connectTimeout: 600_000 });
    start.catch(() => {});
    const { instanceId } = await seen(spearlet().events$, ({ type }) => type === 'instance.spawned');
    const instance = spearlet().get(instanceId!)!;
    await until(() => instance.state === 'listening');
    await instance.stop({ grace: 0 });
    expect(await failureOf(start)).toMatchObject({ code: 'INSTANCE_STOPPED' });
    expect((await begin(spearlet())).state).toBe('ready');
  });

  differs('an instance that was given up stays stopped: start another one', async () => {
    const instance = await begin(spearlet(), { ...ends(1), restart: 'permanent', intensity: 0 });
    await instance.exited;
    expect(await failureOf(instance.restart())).toMatchObject({ code: 'INSTANCE_STOPPED' });
  });
});

describe('the environment and the log of a program', () => {
  const agent = sharedInstance(spearlet, { ...everyday, environment: { GIVEN: '1' } }, { SPEARLET_TEST_LEAK: 'secret' });

  differs('a program does not inherit the variables of its host', async () => {
    const { output } = await agent().execute({ command: 'environment', args: ['SPEARLET_TEST_LEAK', 'GIVEN', 'PATH'] }).result;
    expect(JSON.parse(output!)).toEqual([null, '1', process.env.PATH]);
  });

  test('what a program prints reaches its log, and no execution', async () => {
    const printed = seen(agent().output$, ({ text }) => text.includes('a line of the log'));
    expect((await agent().execute({ command: 'print', args: ['a line of the log'] }).result).output).toBeNull();
    expect(await printed).toMatchObject({ channel: 'stdout' });
  });
});
