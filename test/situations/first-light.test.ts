// One agent, end to end: started, connected, authenticated, at work, stopped.
import { lastValueFrom, toArray } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { SpearletError } from '../../src/index.ts';
import { everyday, failureOf, openSpearlet, seen } from './world.ts';

describe('the life of an agent', () => {
  test('it is started, shows its states, answers, and stops in order', async () => {
    const spearlet = openSpearlet({ ports: { from: 9_100, to: 9_400 } });
    const instance = await spearlet.start({ ...everyday, transport: 'tcp' });
    const states: string[] = [];
    instance.state$.subscribe(state => states.push(state));
    expect(instance.state).toBe('ready');
    expect(instance.pid).toBeGreaterThan(1);
    expect(instance.address).toMatch(/^127\.0\.0\.1:9\d\d\d$/);
    expect(spearlet.instances.map(each => each.id)).toEqual([instance.id]);

    expect(await instance.execute({ command: 'echo', args: ['hello', 'wörld'] }).result).toEqual({
      taskId: expect.any(String),
      status: 'completed',
      output: 'hello wörld',
      stderr: null,
      error: null,
      exitCode: 0,
      truncatedBytes: 0,
      duration: expect.any(Number),
    });
    expect((await instance.execute({ command: 'pid' }).result).output).toBe(String(instance.pid));

    const report = await instance.stop();
    expect(report).toMatchObject({ instanceId: instance.id, reason: 'stopped', code: 0, signal: null, incarnation: 1 });
    expect(states[0]).toBe('ready');
    expect(states.slice(-2)).toEqual(['stopping', 'stopped']);
    expect(states).toContain('executing');
    expect(spearlet.instances).toEqual([]);
    const shown = spearlet.events.flatMap(event => (event.type === 'instance.state' ? [event.state] : []));
    expect(shown.slice(0, 4)).toEqual(['allocating', 'listening', 'authenticating', 'ready']);
  });

  test('subscribers and iterators get one started, any number of running and one terminal update', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start(everyday);
    const shape = ({ status, output }: { status: string; output?: string }) => `${status}:${output ?? ''}`;
    const expected = ['started:', 'running:0\n', 'running:1\n', 'running:2\n', 'completed:'];

    const subscribed = await lastValueFrom(instance.execute({ command: 'count', args: ['3'] }).updates$.pipe(toArray()));
    expect(subscribed.map(shape)).toEqual(expected);

    const read: string[] = [];
    for await (const update of instance.execute({ command: 'count', args: ['3'] })) read.push(shape(update));
    expect(read).toEqual(expected);

    const late = instance.execute({ command: 'count', args: ['3'] });
    await late.result;
    expect((await lastValueFrom(late.updates$.pipe(toArray()))).map(shape)).toEqual(expected);

    const short = instance.execute({ command: 'echo', args: ['x'] });
    await short.result;
    expect((await lastValueFrom(short.updates$.pipe(toArray()))).map(shape)).toEqual(['started:', 'completed:x']);

    const collected = await instance.execute({ command: 'count', args: ['3'] }, { collect: true }).result;
    expect(collected).toMatchObject({ output: '0\n1\n2\n', truncatedBytes: 0 });
  });

  test('256 executions are in flight at once, and each gets its own answer', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start(everyday);
    const texts = Array.from({ length: 1_000 }, (_, i) => `${i} ${'é😀"\\\n'.repeat(i % 7)}`);
    const outputs: (string | null)[] = [];
    await Promise.all(
      Array.from({ length: 256 }, async (_, worker) => {
        for (let i = worker; i < texts.length; i += 256)
          outputs[i] = (await instance.execute({ command: 'echo', args: [texts[i]!] }).result).output;
      }),
    );
    expect(outputs).toEqual(texts);
  });

  test('large arguments and outputs, several at once', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start(everyday);
    const text = 'é"x\n'.repeat(210_000);
    const results = await Promise.all(Array.from({ length: 4 }, () => instance.execute({ command: 'echo', args: [text] }).result));
    expect(results.every(({ output }) => output === text)).toBe(true);
  });

  test('env reaches the handler whole, __proto__ and integer keys included', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start(everyday);
    const env = JSON.parse('{"__proto__":"p","10":"ten","LOG":"info"}') as Record<string, string>;
    expect((await instance.execute({ command: 'env', env }).result).output).toBe('{"10":"ten","__proto__":"p","LOG":"info"}');
  });

  test('the program gets a clean environment: the allow-list, the spec, and what the host tells it', async () => {
    process.env.SPEARLET_TEST_SECRET = 'of the host';
    const spearlet = openSpearlet();
    const instance = await spearlet.start({ ...everyday, environment: { LOG_LEVEL: 'info' } });
    const names = ['SPEARLET_TEST_SECRET', 'LOG_LEVEL', 'SPEARLET_INSTANCE_ID', 'SPEARLET_TOKEN', 'PATH'];
    const { output } = await instance.execute({ command: 'environment', args: names }).result;
    delete process.env.SPEARLET_TEST_SECRET;
    // The SDK takes the token out of its own environment, so that no child inherits it.
    expect(JSON.parse(output!)).toEqual([null, 'info', instance.id, null, process.env.PATH]);
  });
});

describe('executions that do not complete', () => {
  test('Failed carries exit code, output and error; reject: false makes it a result', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start(everyday);
    const failed = await failureOf(instance.execute({ command: 'fail', args: ['3'] }).result);
    expect(failed).toMatchObject({ code: 'EXECUTION_FAILED', exitCode: 3, output: 'partial', error: 'as asked', instanceId: instance.id });
    expect(failed).toBeInstanceOf(SpearletError);
    expect(await instance.execute({ command: 'fail', args: ['3'] }, { reject: false }).result).toMatchObject({
      status: 'failed',
      exitCode: 3,
    });
    expect(await failureOf(instance.execute({ command: 'throw' }).result)).toMatchObject({ exitCode: 1, error: 'thrown' });
    expect(await failureOf(instance.execute({ command: 'constructor' }).result)).toMatchObject({ exitCode: 127 });
    const updates: string[] = [];
    const reading = async () => {
      for await (const { status } of instance.execute({ command: 'fail', args: ['3'] })) updates.push(status);
    };
    expect(await failureOf(reading())).toMatchObject({ code: 'EXECUTION_FAILED' });
    expect(updates).toEqual(['started', 'failed']);
  });

  test('timeout, cancel and AbortSignal settle at once, and the agent gets a cancel', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start({ ...everyday, timeout: 60_000 });
    expect(await failureOf(instance.execute({ command: 'wait' }, { timeout: 50 }).result)).toMatchObject({ code: 'EXECUTION_TIMEOUT' });
    const cancelled = instance.execute({ command: 'wait' });
    await seen(cancelled.updates$, ({ status }) => status === 'started');
    cancelled.cancel('no longer needed');
    expect(await failureOf(cancelled.result)).toMatchObject({ code: 'CANCELLED', message: expect.stringContaining('no longer needed') });
    const aborter = new AbortController();
    const aborted = instance.execute({ command: 'wait' }, { signal: aborter.signal });
    aborter.abort();
    expect(await failureOf(aborted.result)).toMatchObject({ code: 'CANCELLED' });
    expect(await failureOf(instance.execute({ command: 'echo' }, { signal: AbortSignal.abort() }).result)).toMatchObject({
      code: 'CANCELLED',
    });
    // The agent has let go of all of them: it ends at once when asked.
    expect(await instance.stop({ grace: 20_000 })).toMatchObject({ code: 0, signal: null });
  });

  test('if the program exits, its executions end as OUTCOME_UNKNOWN, and nothing hangs', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start(everyday);
    const waiting = instance.execute({ command: 'wait' });
    const exiting = instance.execute({ command: 'exit', args: ['9'] });
    expect(await failureOf(exiting.result)).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect(await failureOf(waiting.result)).toMatchObject({ code: 'OUTCOME_UNKNOWN', message: expect.stringContaining('exit code 9') });
    expect(await instance.exited).toMatchObject({ code: 9, reason: 'crashed' });
    expect(await failureOf(instance.execute({ command: 'echo' }).result)).toMatchObject({ code: 'INSTANCE_STOPPED' });
  });

  test('bad arguments reject the result, name path and nearest key, and touch nothing', async () => {
    const spearlet = openSpearlet({ maxInFlight: 2 });
    const instance = await spearlet.start(everyday);
    const wrong = await failureOf(instance.execute({ comand: 'echo' } as never).result);
    expect(wrong).toMatchObject({
      code: 'INVALID_OPTIONS',
      issues: expect.arrayContaining([expect.objectContaining({ path: 'comand', didYouMean: 'command' })]),
    });
    expect(await failureOf(instance.execute({ command: 'echo', args: [1] } as never).result)).toMatchObject({
      issues: [expect.objectContaining({ path: 'args.0', value: 1 })],
    });
    expect(await failureOf(instance.execute({ command: 'half \ud83d' }).result)).toMatchObject({ code: 'INVALID_OPTIONS' });
    const both = [instance.execute({ command: 'wait' }), instance.execute({ command: 'wait', taskId: 'mine' })];
    expect(await failureOf(instance.execute({ command: 'echo' }).result)).toMatchObject({ code: 'OVERLOADED' });
    for (const each of both) each.cancel();
    const again = instance.execute({ command: 'wait', taskId: 'mine' });
    expect(instance.execute({ command: 'wait', taskId: 'mine' })).toBe(again);
    expect(await failureOf(instance.execute({ command: 'echo', taskId: 'mine' }).result)).toMatchObject({ code: 'INVALID_OPTIONS' });
    again.cancel();
  });
});

test('a signal aborts a start, and only a start', async () => {
  const spearlet = openSpearlet();
  const aborter = new AbortController();
  const starting = spearlet.start(everyday, { signal: aborter.signal });
  await seen(spearlet.events$, event => event.type === 'instance.spawned');
  aborter.abort();
  expect(await failureOf(starting)).toMatchObject({ code: 'CANCELLED' });
  const later = new AbortController();
  const instance = await spearlet.start(everyday, { signal: later.signal });
  later.abort();
  expect((await instance.execute({ command: 'echo', args: ['on'] }).result).output).toBe('on');
  await spearlet.stop();
  expect(await failureOf(spearlet.start(everyday))).toMatchObject({ code: 'STOPPED' });
});
