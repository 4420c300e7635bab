// What the host uses of the operating system; tests simulate it. test/architecture.test.ts lists the files that call Node's clock,
// randomness, network and processes directly.
import type { CleanupWorld } from '../journal/stale-state.ts';
import type { Programs } from '../process/programs.ts';
import type { Network } from '../transport/stream.ts';
import type { Clock } from '../world/clock.ts';
import type { OnHostEnd } from '../world/host-end.ts';
import type { Random } from '../world/random.ts';

export interface World {
  readonly clock: Clock;
  readonly random: Random;
  readonly programs: Programs;
  readonly network: Pick<Network, 'listen'>;
  /** For `stateDir`, which needs it. */
  readonly state?: CleanupWorld;
  /** For `endWithHost`. */
  readonly onHostEnd?: OnHostEnd;
  readonly environment: NodeJS.ProcessEnv;
  readonly workingDirectory: string;
}
