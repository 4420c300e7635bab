// Two agents with one token: whatever the order of their messages, one of them has the session in the end. `RACES=1000` runs
// more of them.
import { expect, test } from 'vitest';
import { type Environment, type Prover, proveAs } from './prover.ts';
import { openSpearlet, type TestSpearlet, until } from './world.ts';

const RACES = Number(process.env.RACES ?? 12);

/** Proves itself, and from then on answers heartbeats as an agent does. Null: it was refused. */
async function run(environment: Environment): Promise<Prover | null> {
  const prover = await proveAs(environment).catch(() => null);
  const answerHeartbeats = async (): Promise<never> => {
    for (;;) {
      const { requestId } = await prover!.next('Heartbeat');
      // The answer to a heartbeat of this agent is not answered.
      if (requestId !== 1) prover!.send('Heartbeat', requestId, '');
    }
  };
  // It ends with the connection.
  answerHeartbeats().catch(() => {});
  return prover;
}

/** `ahead`: how many turns of the event loop the first agent is ahead; below 0 it is the second one. */
async function race(spearlet: TestSpearlet, ahead: number): Promise<'first' | 'second'> {
  const expected = spearlet.expect({ artifactId: 'raced' });
  const { environment, id } = expected;
  const provers = await Promise.all(
    [Math.max(0, -ahead), Math.max(0, ahead)].map(async turns => {
      for (let turn = 0; turn < turns; turn += 1) await new Promise(next => setImmediate(next));
      return run(environment);
    }),
  );
  const instance = await expected.ready;
  const isClosed = (prover: Prover | null): boolean => prover?.socket.destroyed ?? true;
  await until(() => provers.filter(isClosed).length === 1);
  const winner = provers.findIndex(prover => !isClosed(prover));
  await until(() => spearlet.stats().instances.find(each => each.instanceId === id)!.connections.length === 1);
  const [connection] = spearlet.stats().instances.find(each => each.instanceId === id)!.connections;
  expect(connection!.session).toBe(true);
  const execution = instance.execute({ command: 'work' });
  execution.result.catch(() => {});
  await provers[winner]!.next('ExecuteRequest');
  expect(provers[1 - winner]?.received.filter(({ type }) => type === 'ExecuteRequest') ?? []).toEqual([]);
  await expected.stop({ grace: 0 });
  for (const each of provers) each?.close();
  return winner === 0 ? 'first' : 'second';
}

test.each(['perInstance', 'shared'] as const)(
  `at a listener that is %s two agents race with one token ${RACES / 2} times: one winner each`,
  async listener => {
    const spearlet = openSpearlet({ listener });
    const won = { first: 0, second: 0 };
    for (let count = 0; count < RACES / 2; count += 1) won[await race(spearlet, (count % 9) - 4)] += 1;
    console.info(`races, ${listener}: ${JSON.stringify(won)}`);
  },
  30_000 + RACES * 500,
);
