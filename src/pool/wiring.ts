// Ties the chart of a pool to its effects and delays.
import type { PoolContext, poolMachine } from '../../machines/pool.ts';
import type { ParsedOptions } from '../option-schemas.ts';
import { backoffTime } from '../world/backoff.ts';
import type { Random } from '../world/random.ts';
import type { Members } from './members.ts';

export interface PoolWiring {
  readonly random: Pick<Random, 'fraction'>;
  readonly options: ParsedOptions;
  readonly members: Members;
  announceOpen(): void;
  closeIntake(): void;
  adoptFailure(): void;
  announceGivenUp(context: PoolContext): void;
  stopMembers(grace: number): void;
}

export const wirePool = (chart: typeof poolMachine, { random, options, members, ...pool }: PoolWiring) =>
  chart.provide({
    actions: {
      startMember: members.start,
      retireMember: (_, { instanceId }) => members.retire(instanceId!),
      retireIdle: members.retireIdle,
      announceOpen: pool.announceOpen,
      closeIntake: pool.closeIntake,
      adoptFailure: pool.adoptFailure,
      announceGivenUp: ({ context }) => pool.announceGivenUp(context),
      stopMembers: (_, { grace }) => pool.stopMembers(grace),
    },
    delays: {
      idleTime: members.untilIdle,
      startBackoff: ({ context }) => backoffTime(random, options.restart.backoff, context.failures),
      restartPeriod: options.restart.period,
    },
  });
