// Which agent gets the session of an incarnation on wire v2, and what that means for its executions. The test plays the agents.
import { expect, test } from 'vitest';
import type { Authentication } from '../../src/agent/authentication.ts';
import { realClock } from '../../src/world/clock.ts';
import { authenticationOf, connectAgentEnd, type SpokenEnd } from '../model/agent-end.ts';
import { failureOf, openSpearlet, seen, startHollow, type TestSpearlet, until } from './world.ts';

type Environment = Readonly<Record<string, string>>;

const newAgent = (environment: Environment): Authentication =>
  authenticationOf({ instanceId: environment.SPEARLET_INSTANCE_ID!, token: environment.SPEARLET_TOKEN!, protocols: [2] });

/** Connects to the host and claims the session. */
async function claim(environment: Environment, agent: Authentication): Promise<SpokenEnd> {
  const end = await connectAgentEnd(Number(environment.SPEARLET_ADDR!.split(':')[1]), realClock);
  end.claim(agent);
  return end;
}

/** Opens the session and uses it: then the token is spent. */
async function openSession(spearlet: TestSpearlet, environment: Environment, agent: Authentication): Promise<SpokenEnd> {
  const end = await claim(environment, agent);
  await end.admitted;
  end.confirm();
  await until(() => spearlet.explain(environment.SPEARLET_INSTANCE_ID!)?.session?.chart.state === 'open.used');
  return end;
}

const closedWith = (spearlet: TestSpearlet, code: string) =>
  seen(spearlet.events$, event => event.type === 'connection.closed' && event.code === code);

test('a restarted program of expect() begins a new epoch: work in flight is OUTCOME_UNKNOWN, waiting work is delivered', async () => {
  const spearlet = openSpearlet();
  const expected = spearlet.expect({ artifactId: 'external' });
  const first = await openSession(spearlet, expected.environment, newAgent(expected.environment));
  const instance = await expected.ready;
  const sent = instance.execute({ command: 'work' });
  first.close();
  await seen(instance.state$, state => state === 'reconnecting');
  const waiting = instance.execute({ command: 'work' });
  const second = await openSession(spearlet, expected.environment, newAgent(expected.environment));
  expect(await failureOf(sent.result)).toMatchObject({ code: 'OUTCOME_UNKNOWN', message: expect.stringContaining('new epoch') });
  expect(spearlet.explain(instance.id)).toMatchObject({ state: 'executing', inFlight: 1 });
  waiting.cancel();
  second.close();
});

test('an epoch that a restarted program resumes before it has used it is still a new one: work in flight is OUTCOME_UNKNOWN', async () => {
  const spearlet = openSpearlet();
  const { environment, ready } = spearlet.expect({ artifactId: 'external' });
  const first = await openSession(spearlet, environment, newAgent(environment));
  const instance = await ready;
  const sent = instance.execute({ command: 'work' });
  first.close();
  await seen(instance.state$, state => state === 'reconnecting');
  const restarted = newAgent(environment);
  const unused = await claim(environment, restarted);
  await unused.admitted;
  unused.close();
  const second = await openSession(spearlet, environment, restarted);
  expect(await failureOf(sent.result)).toMatchObject({ code: 'OUTCOME_UNKNOWN', message: expect.stringContaining('new epoch') });
  second.close();
});

test('an agent that resumes its epoch replaces its old connection at once, and its executions go on', async () => {
  const spearlet = openSpearlet({ heartbeat: { interval: 60_000, misses: 3 } });
  const { environment, instance } = await startHollow(spearlet);
  const agent = newAgent(environment);
  await openSession(spearlet, environment, agent);
  const execution = instance.execute({ command: 'work' });
  const replaced = closedWith(spearlet, 'LINK_LOST');
  const next = await claim(environment, agent);
  await next.admitted;
  expect(await replaced).toMatchObject({ message: expect.stringContaining('replaced by a new connection of the same agent') });
  next.confirm();
  await seen(instance.state$, state => state === 'executing');
  expect(spearlet.explain(instance.id)).toMatchObject({ state: 'executing', inFlight: 1, session: { chart: { state: 'open.used' } } });
  execution.cancel();
  next.close();
});

test('an agent whose AuthResponse was lost proves its token again, and replaces the connection that it has not used', async () => {
  const spearlet = openSpearlet();
  const { environment, ready } = await startHollow(spearlet);
  await (await claim(environment, newAgent(environment))).admitted;
  const replaced = closedWith(spearlet, 'LINK_LOST');
  const again = await openSession(spearlet, environment, newAgent(environment));
  expect(await replaced).toMatchObject({ message: expect.stringContaining('replaced') });
  expect((await ready).state).toBe('ready');
  again.close();
});

test('the token of a started program is spent once its agent has used the session, also while no connection is live', async () => {
  const spearlet = openSpearlet();
  const { environment, instance } = await startHollow(spearlet);
  const agent = newAgent(environment);
  const first = await openSession(spearlet, environment, agent);
  for (const state of ['ready', 'reconnecting']) {
    if (state === 'reconnecting') first.close();
    await seen(instance.state$, each => each === state);
    const refused = closedWith(spearlet, 'AUTH_REFUSED');
    await claim(environment, newAgent(environment));
    expect(await refused).toMatchObject({ message: expect.stringContaining('the token is spent') });
  }
  const resumed = await openSession(spearlet, environment, agent);
  expect(instance.state).toBe('ready');
  resumed.close();
});
