// The simulated network: what every network keeps, whatever the seed.
import { createMemoryNetwork } from '../../src/transport/memory.ts';
import { handClock } from '../world/clock.ts';
import { seededRandom } from '../world/random.ts';
import { conforms, type Fabric } from './conformance.ts';

function createFabric(seed: number): Fabric {
  const clock = handClock();
  return {
    network: createMemoryNetwork({ clock, random: seededRandom(seed) }),
    plenty: 2 ** 17,
    async until(isSo) {
      while (!isSo()) if (clock.step() === null) throw new Error('nothing happens any more');
    },
  };
}

conforms('a network in memory', Object.fromEntries(Array.from({ length: 30 }, (_, seed) => [`seed ${seed}`, () => createFabric(seed)])));
