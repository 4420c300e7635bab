// Agents that are told to cancel and do not listen: the caller is told at once whatever they do, its slot is free, and by
// policy the agent is started anew.
import { describe, expect, test } from 'vitest';
import {
  agentFile,
  commandAgent,
  complete,
  everyday,
  failureOf,
  joinAs,
  openSpearlet,
  seen,
  startHollow,
  type TestSpearlet,
} from './world.ts';

/** Takes every request and answers none, whatever it is told. */
const deaf = { artifactId: 'deaf', command: process.execPath, args: [agentFile('stubborn.js'), 'connects'] };
const exitsOf = ({ events }: TestSpearlet) => events.flatMap(event => (event.type === 'instance.exited' ? [event.report] : []));
const unresponsive = (event: { type: string }): boolean => event.type === 'instance.unresponsive';

describe.each(['a timeout', 'an abort', 'cancel()'])('after %s', how => {
  test('the execution settles at once, and no longer counts as in flight', async () => {
    const spearlet = openSpearlet({ maxInFlight: 1, grace: 60_000 });
    const instance = await spearlet.start(deaf);
    const aborter = new AbortController();
    const execution = instance.execute(
      { command: 'anything' },
      { signal: aborter.signal, ...(how === 'a timeout' ? { timeout: 20 } : {}) },
    );
    await seen(instance.state$, state => state === 'executing');
    expect(await failureOf(instance.execute({ command: 'another' }).result)).toMatchObject({ code: 'OVERLOADED' });
    if (how === 'an abort') aborter.abort();
    if (how === 'cancel()') execution.cancel();
    const expected = how === 'a timeout' ? 'EXECUTION_TIMEOUT' : 'CANCELLED';
    expect(await failureOf(execution.result)).toMatchObject({ code: expected });
    expect(spearlet.stats().instances[0]).toMatchObject({ inFlight: 0, unanswered: 0 });
    const next = instance.execute({ command: 'another' }, { timeout: 20 });
    expect(await failureOf(next.result)).toMatchObject({ code: 'EXECUTION_TIMEOUT' });
    await instance.stop({ grace: 0 });
  });
});

test('an unresponsive agent is reported, and goes on', async () => {
  const spearlet = openSpearlet({ grace: 100 });
  const instance = await spearlet.start(deaf);
  const told = seen(spearlet.events$, unresponsive);
  const execution = instance.execute({ command: 'anything', taskId: 'mine' }, { timeout: 20 });
  expect(await failureOf(execution.result)).toMatchObject({ code: 'EXECUTION_TIMEOUT' });
  expect(await told).toMatchObject({ instanceId: instance.id, artifactId: 'deaf', taskId: 'mine' });
  expect(spearlet.stats().instances[0]).toMatchObject({ unanswered: 1, incarnation: 1 });
  expect(spearlet.log.filter(line => line.includes('was told to cancel an execution'))).toHaveLength(1);
  expect(['ready', 'executing']).toContain(instance.state);
});

test('with onUnresponsive `restart` it is restarted, also if it is temporary, within the restart intensity', async () => {
  const spearlet = openSpearlet({ grace: 100, restart: { intensity: 1, backoff: { min: 1, max: 1 } } });
  const instance = await spearlet.start({ ...deaf, onUnresponsive: 'restart' });
  const inFlight = instance.execute({ command: 'something else' });
  const again = seen(spearlet.events$, event => event.type === 'instance.state' && event.incarnation === 2 && event.state === 'ready');
  const first = instance.execute({ command: 'anything' }, { timeout: 20 });
  expect(await failureOf(first.result)).toMatchObject({ code: 'EXECUTION_TIMEOUT' });
  await again;
  expect(await failureOf(inFlight.result)).toMatchObject({ code: 'OUTCOME_UNKNOWN', cause: { code: 'UNRESPONSIVE' } });
  expect(exitsOf(spearlet)).toMatchObject([{ reason: 'unresponsive', stopStage: 'killed', signal: 'SIGKILL', left: [] }]);
  await failureOf(instance.execute({ command: 'anything' }, { timeout: 20 }).result);
  expect(await instance.exited).toMatchObject({ reason: 'restart', incarnation: 2, left: [] });
});

test('an instance that is stopped meanwhile is not restarted', async () => {
  const spearlet = openSpearlet({ grace: 100, restart: { backoff: { min: 1, max: 1 } } });
  const instance = await spearlet.start({ ...deaf, onUnresponsive: 'restart' });
  const ending = seen(instance.state$, state => state === 'stopping');
  await failureOf(instance.execute({ command: 'anything' }, { timeout: 20 }).result);
  await ending;
  expect(await instance.stop()).toMatchObject({ incarnation: 1, reason: 'unresponsive', left: [] });
  expect(spearlet.instances).toEqual([]);
});

test('agents that end their cancelled executions are not unresponsive', async () => {
  const spearlet = openSpearlet({ grace: 3_000 });
  const specs = [{ ...everyday, onUnresponsive: 'restart' } as const, { ...commandAgent, onUnresponsive: 'restart' } as const];
  const [served, command] = await Promise.all(specs.map(spec => spearlet.start(spec)));
  const waiting = served!.execute({ command: 'wait' });
  const sleeping = command!.execute({ command: 'sleep', args: ['100'] });
  await Promise.all([waiting, sleeping].map(({ updates$ }) => seen(updates$, ({ status }) => status === 'started')));
  const answered = () => spearlet.stats().instances.every(({ lateAnswers }) => lateAnswers === 1);
  for (const execution of [waiting, sleeping]) execution.cancel();
  for (const { result } of [waiting, sleeping]) expect(await failureOf(result)).toMatchObject({ code: 'CANCELLED' });
  while (!answered()) await new Promise(resolve => setImmediate(resolve));
  // What was answered is waited for no more: a stop within the grace leaves no timer, and nobody was told of.
  expect(spearlet.stats().instances.map(({ unanswered }) => unanswered)).toEqual([0, 0]);
  expect((await served!.execute({ command: 'echo', args: ['here'] }).result).output).toBe('here');
  expect(spearlet.events.filter(unresponsive)).toEqual([]);
});

test('an agent that was disconnected gets the cancel again after the reconnect, and its grace begins then', async () => {
  const spearlet = openSpearlet({ grace: 100 });
  const { environment, instance } = await startHollow(spearlet);
  const agent = await joinAs(environment);
  await seen(instance.state$, state => state === 'ready');
  const execution = instance.execute({ command: 'anything' });
  const request = await agent.next('ExecuteRequest');
  agent.close();
  await seen(instance.state$, state => state === 'reconnecting');
  execution.cancel();
  const back = await joinAs(environment);
  await seen(instance.state$, state => state === 'ready' || state === 'executing');
  const [type, id, payload] = complete(request, 'done');
  back.send(type, id, payload.replace('Completed', 'Started'));
  const signal = await back.next('Signal');
  expect(JSON.parse(signal.payload.toString())).toEqual({ signal: 'cancel', task_id: execution.taskId });
  await seen(spearlet.events$, unresponsive);
  expect(spearlet.stats().instances[0]).toMatchObject({ unanswered: 1 });
});
