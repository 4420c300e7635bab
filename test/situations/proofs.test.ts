// A sample of the long proofs (`npm run stress`), which are the same code with other sizes. What they say of times and memory
// is theirs: here only what must hold on any machine.
import { join } from 'node:path';
import { expect, test } from 'vitest';

type Figures = Readonly<Record<string, unknown>>;
type Prove = (seed: number, say: (text: string) => void, sizes: object) => Promise<Figures>;

async function sample(file: string, sizes: object, name = file): Promise<Figures> {
  const proof = (await import(join(import.meta.dirname, '..', 'stress', `${file}.js`))) as Record<string, Prove>;
  return proof[name]!(7, () => {}, sizes);
}

test('a stop at any moment of a start, a backoff, a restart, a reconnection: one terminal state, nothing left', async () => {
  const figures = await sample('stops', { offsets: 12, turns: 6, times: 1, races: 1 });
  expect(figures).toMatchObject({ passed: true, faults: [], left: { instances: 0, zombies: 0 } });
});

test('twelve shapes of trees, stopped, crashed and restarted: no survivor', async () => {
  expect(await sample('endings', { rounds: 1, later: 15_000 })).toMatchObject({ ended: 36, faults: [], zombies: 0 });
});

test('instances that crash in a loop are restarted as the policy says, to the number, and given up where it says so', async () => {
  const sizes = { looping: 8, limited: 3, milliseconds: 1_000, bound: 20, backoff: { min: 10, max: 100 } };
  expect(await sample('crashes', sizes)).toMatchObject({ faults: [], givenUp: '3 of 3', left: 0 });
});

test('a flood is counted to the byte, and costs the agent no heartbeat', async () => {
  const figures = await sample('flood', { warmUp: 20, megabytes: 50, quiet: 100 });
  expect(figures).toMatchObject({ uncounted: 0, closed: ['LINK_LOST', 'LINK_LOST'] });
});

test('an agent that outgrows its limit ends for its memory, and its neighbour goes on', async () => {
  const figures = await sample('hungry', { times: 1 });
  expect(figures).toMatchObject({ faults: [], neighbour: { alive: true } });
});

test('a host that is killed at any moment of its starts leaves nothing that the next one does not find', async () => {
  expect(await sample('hosts', { kills: 4 }, 'killedWhileStarting')).toMatchObject({ kills: 4, left: 0, filesLeft: 0 });
});

test('whatever is done to its instance, each caller sees what the reference model allows, and no execution runs twice', async () => {
  const figures = await sample('callers', { slots: 3, callers: 3, milliseconds: 2_000, worlds: 1, rare: 0 });
  expect(figures).toMatchObject({ findings: [], findingKinds: {}, passed: true });
});
