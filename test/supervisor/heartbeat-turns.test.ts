// The heartbeats of many connections, over the simulated network and clock: the host wakes up for all of them together.
import { expect, test } from 'vitest';
import { openSession, type Session } from '../../src/agent/session.ts';
import { createPrograms } from '../../src/process/programs.ts';
import { processTable } from '../../src/process/tree/proc-table.ts';
import { createSpearletIn } from '../../src/spearlet.ts';
import { parseAddress } from '../../src/transport/address.ts';
import { createMemoryNetwork } from '../../src/transport/memory.ts';
import { type Clock, realClock } from '../../src/world/clock.ts';
import { handClock } from '../world/clock.ts';
import { seededRandom } from '../world/random.ts';

/** In ms; a 64th of it is 100 ms. */
const INTERVAL = 6_400;
const AGENTS = 20;

test('idle connections that were opened at any time are looked at in 64 turns of each interval', async () => {
  const random = seededRandom(1);
  const clock = handClock();
  const fired = new Set<number>();
  const hostClock: Clock = {
    ...clock,
    setTimeout: (run, ms) =>
      clock.setTimeout(() => {
        fired.add(clock.now());
        run();
      }, ms),
  };
  const network = createMemoryNetwork({ clock, random });
  const spearlet = createSpearletIn(
    { clock: hostClock, random, programs: createPrograms(processTable, realClock), network, environment: {}, workingDirectory: '/' },
    { logger: false, ports: 0, heartbeat: { interval: INTERVAL } },
  );
  /** Passes this time, in ms, and lets between two timers run what Node does in a turn of its own. */
  const pass = async (ms: number): Promise<void> => {
    const until = clock.now() + ms;
    do {
      await clock.run(until);
      await new Promise(setImmediate);
    } while (clock.now() + (clock.pending[0] ?? ms) < until);
    clock.work(Math.max(0, until - clock.now()));
  };
  for (let n = 0; n < AGENTS; n += 1) {
    const { environment, ready } = spearlet.expect({ artifactId: 'idle' });
    const { SPEARLET_ADDR, SPEARLET_TOKEN: token, SPEARLET_INSTANCE_ID: instanceId } = environment;
    const endpoint = {
      address: parseAddress(SPEARLET_ADDR),
      token,
      instanceId,
      protocols: [1, 2],
      silence: 60_000,
      giveUp: 30_000,
      maxFrameBytes: 2 ** 20,
    };
    const nothing = { opened() {}, closed() {}, writable() {}, request() {}, window() {}, cancel() {}, signal() {}, ended() {} };
    const session: Session = openSession(
      endpoint,
      { ...nothing, draining: () => session.dispatch('drained') },
      {
        ...{ clock, network, fraction: random.fraction },
        nonce: () => Buffer.from(random.token(), 'latin1').toString('hex').slice(0, 64),
      },
    );
    do await pass(137);
    while (spearlet.get(instanceId)!.state !== 'ready');
    await ready;
  }
  fired.clear();
  await pass(3 * INTERVAL);
  expect(fired.size).toBeGreaterThan(AGENTS / 2);
  // A timer takes whole milliseconds.
  expect([...fired].filter(at => at % (INTERVAL / 64) >= 1)).toEqual([]);
  expect(spearlet.instances.map(({ state }) => state)).toEqual(Array(AGENTS).fill('ready'));
  const stopped = spearlet.stop({ grace: 0 });
  await pass(60_000);
  await stopped;
});
