// What an instance runs in: clock, randomness, processes, network, disk. A simulated world can take the place of the real one.
import type { CleanupWorld } from '../journal/stale-state.ts';
import type { Programs } from '../process/programs.ts';
import type { Network } from '../transport/stream.ts';
import type { Clock } from '../world/clock.ts';
import type { Random } from '../world/random.ts';

export interface World {
  readonly clock: Clock;
  readonly random: Random;
  readonly programs: Programs;
  readonly network: Network;
  /** For `stateDir`; a world without this cannot have one. */
  readonly state?: CleanupWorld;
  readonly environment: NodeJS.ProcessEnv;
  readonly workingDirectory: string;
}
