// Ties the instance chart to its effects and delays.
import type { instanceMachine } from '../../machines/instance.ts';
import type { InstanceContext } from '../../machines/instance-types.ts';
import type { sessionMachine } from '../../machines/session.ts';
import { newCredentials } from '../connection/credentials.ts';
import { bounds } from '../limits.ts';
import type { ParsedOptions } from '../option-schemas.ts';
import { createOutput } from '../process/output/output.ts';
import { backoffTime } from '../world/backoff.ts';
import type { InstanceSupervisor } from './instance-supervisor.ts';
import { createLaunch } from './launch.ts';
import { type ListenDeps, listen } from './listen.ts';
import { runProgram } from './process.ts';
import { newRun } from './program-run.ts';
import { reconnectWindowOf } from './reconnect-window.ts';
import type { InstanceRecord } from './record.ts';
import type { World } from './world.ts';

/** How long SIGKILL may take until the instance ends although its program still lives, in ms. */
const KILL_TIMEOUT = 5_000;
/** How long the output of a program is read after its exit, in ms. */
const OUTPUT_TIMEOUT = 250;
/** How long the rest of the tree may take to end until it is reported in `left`, in ms. Killing it takes 2 s at most. */
const CLEANUP = 3_000;
/**
 * An agent that was asked to end gets SIGTERM after half the grace period, and after this time at the latest, in ms. SIGKILL comes at
 * least as long after SIGTERM.
 */
const LONGEST_SIGNAL_DELAY = 1_000;

export interface InstanceWiring extends Pick<ListenDeps, 'open' | 'register' | 'release'> {
  readonly world: World;
  readonly options: ParsedOptions;
  readonly supervisor: InstanceSupervisor;
}

/** `session`: the session chart, with the wired connection. */
export function wireInstance(
  chart: typeof instanceMachine,
  session: typeof sessionMachine,
  { world, options, supervisor, ...connections }: InstanceWiring,
) {
  const { clock, random } = world;
  const recordOf = ({ context }: { context: InstanceContext }): InstanceRecord => supervisor.record(context.instanceId);

  const beforeKill = ({ gracePeriod }: InstanceContext): number => Math.min(gracePeriod / 2, LONGEST_SIGNAL_DELAY);
  const graceLeft = (args: { context: InstanceContext }): number => {
    const { graceSince } = recordOf(args).run;
    return Math.max(0, args.context.gracePeriod - (graceSince === null ? 0 : clock.now() - graceSince));
  };

  const begin = (record: InstanceRecord, incarnation: number): void => {
    record.credentials = newCredentials(record.id, random.token());
    record.output = createOutput(bounds.keptOutput, record.followers);
    record.incarnation = incarnation;
    record.address = null;
    record.acceptInherited = null;
    record.pid = null;
    record.run = newRun();
    record.refusals.begin();
    supervisor.unrouted.begin();
  };

  return chart.provide({
    actors: {
      listen: listen({ supervisor, begin, ...connections }),
      process: runProgram(createLaunch({ world, options, supervisor })),
      session,
    },
    actions: {
      openSession(args, { connectionActorId, epoch }) {
        const record = recordOf(args);
        if (epoch === 'new') record.requests.epochEnded('its agent has begun a new epoch', record.loss);
        // The connection may have ended already: messages behind its AuthRequest are read when it is welcomed, and can end it.
        const connection = record.connections.get(connectionActorId);
        if (connection !== undefined) supervisor.openSession(record, connection);
      },
      beginStopping: args => {
        const { run } = recordOf(args);
        run.endingSince = clock.now();
        run.graceSince = clock.now();
      },
      beginGrace: args => {
        recordOf(args).run.graceSince = clock.now();
      },
      recordStopStage(args, { stage }) {
        const { endingSince, stopStages } = recordOf(args).run;
        // A program that has ended by itself was not stopped, even if its descendants have to be killed.
        if (endingSince !== null) stopStages[stage] ??= Math.round(clock.now() - endingSince);
      },
      deferRequests: args => recordOf(args).requests.defer(),
      closeSession: args => recordOf(args).requests.detach(recordOf(args).loss),
      endIncarnation: args => supervisor.endIncarnation(recordOf(args), args.context),
      endInstance: args => supervisor.endInstance(recordOf(args), args.context),
    },
    delays: {
      connectTimeout: ({ context }) => context.connectTimeout,
      reconnectWindow: args => reconnectWindowOf(recordOf(args).transport, options),
      // After a drain the agent may have to be asked late: the descendants of its program get their share of the grace all the same.
      signalDelay: args => Math.min(beforeKill(args.context), Math.max(0, graceLeft(args) - beforeKill(args.context))),
      gracePeriod: ({ context }) => context.gracePeriod,
      graceLeft,
      drainLimit: ({ context }) => context.gracePeriod - beforeKill(context),
      killTimeout: KILL_TIMEOUT,
      outputTimeout: OUTPUT_TIMEOUT,
      cleanupTimeout: CLEANUP,
      backoff: args => backoffTime(random, recordOf(args).options.restart.backoff, args.context.attempts),
      restartPeriod: args => recordOf(args).options.restart.period,
      stableUptime: args => recordOf(args).options.restart.period,
    },
  });
}
