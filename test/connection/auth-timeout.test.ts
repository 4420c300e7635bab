// The time of a whole authentication: one timer from the socket to the session, whatever the other end sends in between.
import { expect, test } from 'vitest';
import { createActor, fromCallback, fromPromise, SimulatedClock } from 'xstate';
import type { LinkEvent, Verdict } from '../../machines/connection.ts';
import { connectionMachine } from '../../machines/index.ts';

const AUTH_TIMEOUT = 5_000;

function open() {
  const clock = new SimulatedClock();
  const verdicts: Verdict[] = [{ verdict: 'challenged' }, { verdict: 'authenticated', by: 'token' }];
  let report: (event: LinkEvent) => void = () => {};
  const ends: unknown[] = [];
  const actor = createActor(
    connectionMachine.provide({
      actors: {
        link: fromCallback(({ sendBack }) => {
          report = sendBack;
        }) as never,
        authenticate: fromPromise(async () => verdicts.shift()!) as never,
      },
      actions: {
        ...{ refuse() {}, sendError() {}, handOver() {}, claimSession() {}, announceSession() {}, announceEnd() {} },
        reportEnd: ({ context }) => void ends.push(context.code),
      },
      delays: { authTimeout: AUTH_TIMEOUT, heartbeat: 10_000, finalCheck: 50, probe: 1_000 },
    }),
    { clock, input: { instanceId: 'i', connectionActorId: 'c', misses: 3 } },
  ).start();
  const reaches = async (state: object): Promise<void> => {
    while (!actor.getSnapshot().matches(state as never)) await new Promise(setImmediate);
  };
  return { clock, actor, ends, report: (event: LinkEvent) => report(event), reaches };
}

test('an end that is as slow as it can be in each step has no more time than a silent one', async () => {
  const silent = open();
  silent.clock.increment(AUTH_TIMEOUT);
  expect(silent.ends).toEqual(['AUTH_TIMEOUT']);

  const slow = open();
  slow.clock.increment(AUTH_TIMEOUT - 2);
  slow.report({ type: 'auth.received' });
  await slow.reaches({ authenticating: 'proving' });
  slow.clock.increment(1);
  slow.report({ type: 'proof.received' });
  await slow.reaches({ authenticating: 'claiming' });
  expect(slow.ends).toEqual([]);
  slow.clock.increment(1);
  expect(slow.ends).toEqual(['AUTH_TIMEOUT']);
});

test('a session that its agent uses in time has no timer any more', async () => {
  const { clock, actor, ends, report, reaches } = open();
  clock.increment(AUTH_TIMEOUT - 1);
  report({ type: 'auth.received' });
  await reaches({ authenticating: 'proving' });
  report({ type: 'proof.received' });
  await reaches({ authenticating: 'claiming' });
  actor.send({ type: 'session.granted' });
  actor.send({ type: 'session.used' });
  clock.increment(AUTH_TIMEOUT);
  expect([ends, actor.getSnapshot().matches('ready')]).toEqual([[], true]);
});
