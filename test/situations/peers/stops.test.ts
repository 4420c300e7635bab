// Stops and process trees as users of OTP's supervisor, systemd, Nomad, PM2 and supervisord rely on them.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../command.ts';
import { agentFile, everyday, failureOf, seen, until } from '../world.ts';
import { begin, crash, differs, ends, lives, numbersOf, quick, sh, sharedInstance, sharedSpearlet } from './stage.ts';

const spearlet = sharedSpearlet();
const PATIENCE = 25_000;

/** The agent in bash, after `before` has run in the shell that becomes it. `written`: what that has written into the file `$0`. */
function startedAfter(before: string) {
  const file = join(temporaryFolder(), 'written');
  const args = ['-c', `${before} exec bash ${agentFile('ends.sh')} stay`, file];
  return { file, spec: { artifactId: 'after', command: 'sh', args } };
}

describe('OTP supervisor', () => {
  test('brutal_kill: without a grace a child is killed at once', async () => {
    const instance = await begin(spearlet());
    expect(await instance.stop({ grace: 0 })).toMatchObject({ signal: 'SIGKILL', stopStage: 'killed' });
  });

  test('a shutdown ends a child that waits for its restart', async () => {
    const instance = await begin(spearlet(), { restart: 'permanent', backoff: { min: 60_000, max: 60_000 } });
    crash(instance);
    await seen(instance.state$, state => state === 'backoff');
    await instance.stop();
    expect([instance.state, instance.incarnation]).toEqual(['stopped', 1]);
  });

  test('terminate_child, twice: both resolve with the same report', async () => {
    const instance = await begin(spearlet());
    const [one, another] = await Promise.all([instance.stop({ grace: 0 }), instance.stop({ grace: 0 })]);
    expect(one).toBe(another);
  });

  differs('children are stopped at the same time, not one after another in the reverse order of their starts', async () => {
    const children = await Promise.all([begin(spearlet()), begin(spearlet())]);
    const stopped = children.map(child => child.stop({ grace: 0 }));
    expect(children.map(({ state }) => state)).toEqual(['stopping', 'stopping']);
    await Promise.all(stopped);
  });

  differs('no grace is infinite: `infinity` of a shutdown is refused', async () => {
    const endless = { ...ends('stay'), grace: Number.POSITIVE_INFINITY };
    expect(await failureOf(spearlet().start(endless))).toMatchObject({ code: 'INVALID_OPTIONS', issues: [{ path: 'grace' }] });
  });
});

describe('systemd', () => {
  test('KillMode=control-group: what a service has started ends with it, in a session of its own too', async () => {
    const { file, spec } = startedAfter('sleep 900 & echo $! >"$0"; setsid sh -c \'echo $$ >>"$0"; exec sleep 900\' "$0" &');
    const instance = await begin(spearlet(), spec);
    await until(() => readFileSync(file, 'utf8').split('\n').length === 3);
    const pids = readFileSync(file, 'utf8').trim().split('\n').map(Number);
    expect(pids.filter(lives)).toEqual(pids);
    await instance.stop({ grace: 0 });
    expect(pids.filter(lives)).toEqual([]);
  });

  test('what a service that crashed has left is gone before its next start', async () => {
    const { file, spec } = startedAfter(
      'if [ -e "$0" ]; then grep -q "State:.[RS]" "/proc/$(cat "$0")/status" && touch "$0.both"; else sleep 900 & echo $! >"$0"; fi;',
    );
    const instance = await begin(spearlet(), { ...spec, restart: 'permanent', backoff: quick });
    crash(instance);
    await seen(instance.state$, state => state === 'ready' && instance.incarnation === 2);
    expect(existsSync(`${file}.both`)).toBe(false);
  });

  test('TimeoutStopSec: a service that ignores SIGTERM is killed', async () => {
    const { spec } = startedAfter('trap "" TERM;');
    const instance = await begin(spearlet(), spec);
    expect(await instance.stop({ grace: 20 })).toMatchObject({ signal: 'SIGKILL', stopStage: 'killed', left: [] });
  });

  test('a service that is frozen (SIGSTOP) is stopped like any other', async () => {
    const instance = await begin(spearlet());
    process.kill(instance.pid!, 'SIGSTOP');
    expect(await instance.stop({ grace: 20 })).toMatchObject({ reason: 'stopped', left: [] });
  });

  test('a service whose start is under way can be stopped', async () => {
    const start = spearlet().start({ artifactId: 'hanging', command: 'sleep', args: ['900'] });
    start.catch(() => {});
    const { instanceId } = await seen(spearlet().events$, ({ type }) => type === 'instance.spawned');
    await spearlet().get(instanceId!)!.stop();
    expect(await failureOf(start)).toMatchObject({ code: 'INSTANCE_STOPPED' });
  });

  differs('the standard input of a service is a pipe of its host, and ends with it', async () => {
    const { file, spec } = startedAfter('readlink /proc/self/fd/0 >"$0";');
    await begin(spearlet(), spec);
    expect(readFileSync(file, 'utf8')).toMatch(/^(pipe|socket):/);
  });
});

describe('Nomad', () => {
  const agent = sharedInstance(spearlet, everyday);

  test('a drain keeps what runs, and takes nothing new', async () => {
    const instance = await begin(spearlet(), everyday);
    const running = instance.execute({ command: 'laterUnlessAborted', args: ['20', 'done'] });
    const stopping = instance.stop({ drain: true, grace: PATIENCE });
    expect(await failureOf(instance.execute({ command: 'echo' }).result)).toMatchObject({ code: 'INSTANCE_STOPPED' });
    expect((await running.result).output).toBe('done');
    expect(await stopping).toMatchObject({ reason: 'stopped', code: 0, stopStage: 'asked' });
  });

  differs('a signal for a task is a message to its agent, and no signal of the system', async () => {
    const instance = await begin(spearlet(), {
      ...{
        command: process.execPath,
        args: [
          '--input-type=module',
          '-e',
          `import { serve } from 'spearlet/agent';
        const data = new Promise(resolve => { globalThis.got = resolve; });
        await serve({ heard: () => data }, { onSignal: got });`,
        ],
      },
      workingDirectory: join(import.meta.dirname, '..', '..', '..'),
    });
    instance.send('reload');
    expect((await instance.execute({ command: 'heard' }).result).output).toBe('reload');
  });

  test('the host of a task knows what is in flight', async () => {
    const work = agent().execute({ command: 'wait' });
    await seen(work.updates$, ({ status }) => status === 'started');
    expect(
      spearlet()
        .stats()
        .instances.find(({ instanceId }) => instanceId === agent().id),
    ).toMatchObject({ inFlight: 1 });
    work.cancel();
  });
});

describe('PM2 and supervisord', () => {
  const agent = sharedInstance(spearlet);

  differs('every process of a tree gets the signal, and SIGKILL if it ignores that: there is no option for less', async () => {
    const { spec, file } = startedAfter('trap "" TERM; setsid sh -c \'trap "" TERM; echo $$ >"$0"; while :; do sleep 900; done\' "$0" &');
    const instance = await begin(spearlet(), spec);
    await until(() => existsSync(file) && readFileSync(file, 'utf8').endsWith('\n'));
    expect(await instance.stop({ grace: 20 })).toMatchObject({ stopStage: 'killed', left: [] });
    expect(lives(Number(readFileSync(file, 'utf8')))).toBe(false);
  });

  test('stopsignal: the program gets the signal of its settings', async () => {
    const start = spearlet().start({ artifactId: 'hanging', command: 'sleep', args: ['900'], killSignal: 'SIGINT' });
    start.catch(() => {});
    const { instanceId } = await seen(spearlet().events$, ({ type }) => type === 'instance.spawned');
    expect(await spearlet().get(instanceId!)!.stop()).toMatchObject({ signal: 'SIGINT', stopStage: 'signalled' });
    await failureOf(start);
  });

  test('a stop of one program does not touch the programs of another', async () => {
    const work = agent().execute(sh('echo $$; exec sleep 900'));
    const [pid] = await numbersOf(work, 1);
    const instance = await begin(spearlet());
    await instance.stop({ grace: 0 });
    expect(lives(pid!)).toBe(true);
    work.cancel();
    await until(() => !lives(pid!));
  });
});
