// A sample of the long proofs (`npm run stress`): the same code with smaller sizes. Times and memory are judged only in the long
// proofs; here only facts that hold on any machine.
import { join } from 'node:path';
import { expect, test } from 'vitest';

type Figures = Readonly<Record<string, unknown>>;
type Prove = (seed: number, say: (text: string) => void, sizes: object) => Promise<Figures>;

async function sample(file: string, sizes: object, name = file): Promise<Figures> {
  const proof = (await import(join(import.meta.dirname, '..', 'stress', `${file}.js`))) as Record<string, Prove>;
  return proof[name]!(7, () => {}, sizes);
}

test('an instance that is stopped during a start, backoff, restart or reconnection reaches `stopped` once and leaves nothing', async () => {
  const figures = await sample('stops', { offsets: 12, turns: 6, times: 1, races: 1 });
  expect(figures).toMatchObject({ passed: true, faults: [], left: { instances: 0, zombies: 0 } });
});

test('no process of the twelve tree shapes survives a stop, a crash or a restart', async () => {
  expect(await sample('endings', { rounds: 1, later: 15_000 })).toMatchObject({ ended: 36, faults: [], zombies: 0 });
});

test('instances that fail in a loop are restarted exactly as often as the restart intensity allows, then given up', async () => {
  const sizes = { looping: 8, limited: 3, milliseconds: 1_000, bound: 20, backoff: { min: 10, max: 100 } };
  expect(await sample('crashes', sizes)).toMatchObject({ faults: [], givenUp: '3 of 3', left: 0 });
});

test('a flood of output is counted to the byte, and no heartbeat is lost', async () => {
  const figures = await sample('flood', { warmUp: 20, megabytes: 50, quiet: 100 });
  expect(figures).toMatchObject({ uncounted: 0, closed: ['LINK_LOST', 'LINK_LOST'] });
});

test('random and changed frames of wire v2 give the same in one piece and in many, and no error but the two of the protocol', async () => {
  expect(await sample('frames', { frames: 50_000 })).toMatchObject({ faults: [] });
});

test('an agent that exceeds maxMemory is ended, and its neighbour runs on', async () => {
  const figures = await sample('hungry', { times: 1 });
  expect(figures).toMatchObject({ faults: [], neighbour: { alive: true } });
});

test('the next host ends everything that a host leaves when it is killed during its starts', async () => {
  expect(await sample('hosts', { kills: 4 }, 'killedWhileStarting')).toMatchObject({ kills: 4, left: 0, filesLeft: 0 });
});

test('under random faults each caller sees only outcomes that the reference model allows, and no execution runs twice', async () => {
  const figures = await sample('callers', { slots: 3, callers: 3, milliseconds: 2_000, worlds: 1, rare: 0 });
  expect(figures).toMatchObject({ findings: [], findingKinds: {}, passed: true });
});

test('connections that are cut with work in flight cost nobody a result, a byte or a second execution', async () => {
  const figures = await sample('cuts', { cuts: 25, instances: 3 });
  expect(figures).toMatchObject({ findings: [], passed: true });
}, 120_000);

test('an event loop that stands still, and agents that are stopped for a while, count as no death', async () => {
  const figures = await sample('stalls', { rounds: 1, instances: 2, heartbeats: ['default'] });
  expect(figures).toMatchObject({ findings: [], passed: true, stalls: 2 });
}, 120_000);

test('a pool under random kills loses no execution and runs none twice; one that replaces its members completes all', async () => {
  const figures = await sample('pools', { executions: 500, kills: 5, callers: 16, min: 2, max: 3, recycled: 60, recycleAfter: 15 });
  expect(figures).toMatchObject({ faults: [], faultCount: 0, killed: { executions: 500, lost: 0, twice: 0, left: 0 } });
}, 120_000); // On a busy machine a start takes seconds.
