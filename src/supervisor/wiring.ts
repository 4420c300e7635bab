// Every effect that the charts name, tied to what does it. The only place where .provide() is called.

import { type ConnectionName, connectionMachine } from '../../machines/connection.ts';
import { type InstanceContext, instanceMachine } from '../../machines/instance.ts';
import { supervisorMachine } from '../../machines/supervisor.ts';
import { authenticate } from '../connection/authenticate.ts';
import type { Peer } from '../connection/connection.ts';
import { createLink } from '../connection/framed-channel.ts';
import { link, refuse, sendError } from '../connection/io.ts';
import { UNREAD_FACTOR } from '../execution/encode.ts';
import { createLaunch } from '../instance/launch.ts';
import { listen, sharedListener } from '../instance/listen.ts';
import { runProgram } from '../instance/process.ts';
import type { InstanceRecord } from '../instance/record.ts';
import { newRun } from '../instance/run.ts';
import type { CleanupWorld } from '../journal/stale-state.ts';
import { bounds, type ParsedOptions } from '../options.ts';
import { createOutput } from '../process/output/output.ts';
import type { Programs } from '../process/programs.ts';
import { createPorts } from '../transport/ports.ts';
import { createSharedListener } from '../transport/shared-listener.ts';
import type { ByteStream, Network } from '../transport/stream.ts';
import type { Clock } from '../world/clock.ts';
import type { Random } from '../world/random.ts';
import type { Engine } from './registry.ts';

/** How long SIGKILL may take before an instance is given up with its program still there, in ms. */
const GIVE_UP = 5_000;
/** How long what a program wrote before its end is still read, in ms. */
const DRAIN = 250;
/** What came of it is looked for and killed within 2 s; beyond this it is told as left, in ms. */
const CLEANUP = 3_000;
/** How long a silent link is looked at once more, in ms: long enough to read what has arrived while we were slow. */
const FINAL_CHECK = 50;
/** How long a session has to answer when somebody else shows its token, in ms. */
const PROBE = 1_000;
/** SIGTERM comes at half the grace, and no later than this, in ms. */
const TERMINATE = 1_000;

/** What the engine is in: a simulated one can take the place of the real one. */
export interface World {
  readonly clock: Clock;
  readonly random: Random;
  readonly programs: Programs;
  readonly network: Network;
  /** For `stateDir`; a world without them cannot have one. */
  readonly state?: CleanupWorld;
  readonly environment: NodeJS.ProcessEnv;
  readonly workingDirectory: string;
}

/** The charts that run; tests put changed ones in their place. */
export const charts = { supervisor: supervisorMachine, instance: instanceMachine, connection: connectionMachine };
export type Charts = typeof charts;

export function wire(world: World, options: ParsedOptions, engine: Engine, { supervisor, instance, connection }: Charts) {
  const { clock, random } = world;
  const ports = createPorts(world.network, options.host, options.ports);
  const record = (instanceId: string): InstanceRecord => engine.record(instanceId);
  const recordOf = ({ context }: { context: InstanceContext }): InstanceRecord => engine.record(context.instanceId);
  const peersOf = (instanceId: string | null): Map<string, Peer> => (instanceId === null ? engine.lobby : record(instanceId).peers);
  const release = (peer: Peer): void => {
    peersOf(peer.instanceId).delete(peer.id);
    engine.connectionReleased(peer);
    if (peer.stage !== 'led') peer.link.close();
  };
  const admit = (instanceId: string | null, socket: ByteStream): Peer =>
    engine.admit({
      instanceId,
      link: createLink(socket, clock, options.maxPreAuthFrameBytes),
      stage: 'stranger',
      told: false,
      auth: null,
      authId: 0,
      roundTrip: null,
    });
  const shared = createSharedListener(ports);
  /** Events carry a code and a message; the hint of what failed goes to the record. */
  const hinting = <T>(instanceId: string, effect: () => T): T => {
    try {
      return effect();
    } catch (thrown) {
      record(instanceId).hint = (thrown as { hint?: string }).hint;
      throw thrown;
    }
  };
  const peerOf = ({ instanceId, connectionId }: ConnectionName): Peer => {
    const peer = peersOf(instanceId).get(connectionId);
    if (peer === undefined) throw new Error(`no connection '${connectionId}' of ${instanceId ?? 'the shared listener'}`);
    return peer;
  };
  const hold = (instanceId: string, dispose: () => Promise<void> | undefined): (() => void) => {
    const { held } = record(instanceId);
    const once = (): void => {
      const closing = held.delete(once) ? dispose() : undefined;
      if (closing === undefined) return;
      engine.closing.add(closing);
      void closing.finally(() => engine.closing.delete(closing));
    };
    held.add(once);
    return once;
  };

  const wiredConnection = connection.provide({
    actors: {
      link: link({
        clock,
        random,
        heartbeatInterval: options.heartbeat.interval,
        maxFrameBytes: options.maxFrameBytes,
        maxAnswered: bounds.answeredHeartbeats,
        maxUnreadBytes: UNREAD_FACTOR * options.maxQueuedBytes,
        peer: peerOf,
        release,
        answer: (peer, message) => record(peer.instanceId!).calls.answer(message),
        odd: engine.oddMessage,
      }),
      authenticate: authenticate({
        facts(name) {
          const { auth, instanceId } = peerOf(name);
          const claimed = auth ?? { instanceId: '', token: '' };
          // At the shared listener an unknown instance is compared with nothing, and takes as long.
          const meant = instanceId ?? (engine.leads.has(claimed.instanceId) ? claimed.instanceId : null);
          const token = meant === null ? random.token() : record(meant).token;
          return { claimed, instanceId: meant ?? '', token, routed: instanceId === null };
        },
      }),
    },
    actions: {
      refuse: ({ context }, { because }) => refuse(peerOf(context), because),
      sendError: ({ context }) => sendError(peerOf(context), context.code, context.message),
      handOver: ({ context }) => engine.handOver(peerOf(context)),
      reportEnd: ({ context }) => engine.connectionClosed(peerOf(context), context.code, context.message),
    },
    delays: {
      authTimeout: options.authTimeout,
      heartbeat: options.heartbeat.interval,
      silence: ({ context }) => Math.max(1, options.heartbeat.interval - (clock.now() - peerOf(context).link.heardAt)),
      finalCheck: FINAL_CHECK,
      probe: Math.min(PROBE, options.authTimeout / 2),
    },
  });

  const wiredInstance = instance.provide({
    actors: {
      connection: wiredConnection,
      listen: listen({
        begin(instanceId, incarnation) {
          const mine = record(instanceId);
          mine.token = random.token();
          mine.output = createOutput(bounds.keptOutput, mine.followers);
          mine.incarnation = incarnation;
          mine.address = null;
          mine.pid = null;
          mine.run = newRun();
          mine.refusals.begin();
          engine.unrouted.begin();
        },
        open(instanceId, on) {
          if (options.listener === 'perInstance') return hinting(instanceId, () => ports.listen(on.wire));
          const listening = hinting(instanceId, () => shared.acquire());
          engine.leads.set(instanceId, on.peer);
          return {
            ...listening,
            close() {
              engine.leads.delete(instanceId);
              return listening.close();
            },
          };
        },
        bound(instanceId, address) {
          record(instanceId).address = address;
        },
        accept: instanceId => ({
          peers: () => record(instanceId).peers.values(),
          admit: socket => admit(instanceId, socket),
          maxPending: () => bounds.pendingConnections,
        }),
        peers: instanceId => record(instanceId).peers.values(),
        release,
        hold,
      }),
      process: runProgram(createLaunch({ world, options, engine, hold, hinting })),
    },
    actions: {
      openSession(args) {
        // It may be gone by now: what it said behind its AuthRequest is read with the welcome, and can end it.
        const peer = recordOf(args).peers.get(args.context.session ?? '');
        if (peer !== undefined) engine.sessionOpened(recordOf(args), peer);
      },
      beginStopping: args => {
        recordOf(args).run.endingSince = clock.now();
      },
      noteStopStage(args, { stage }) {
        const { endingSince, stopStages } = recordOf(args).run;
        stopStages[stage] ??= Math.round(clock.now() - (endingSince ?? clock.now()));
      },
      closeSession: args => recordOf(args).calls.detach(recordOf(args).loss),
      endIncarnation: args => engine.incarnationEnded(recordOf(args), args.context),
      endInstance: args => engine.instanceEnded(recordOf(args), args.context),
    },
    delays: {
      connectTimeout: options.connectTimeout,
      reconnectWindow: options.reconnectWindow,
      terminateDelay: ({ context }) => Math.min(context.gracePeriod / 2, TERMINATE),
      gracePeriod: ({ context }) => context.gracePeriod,
      giveUpDelay: GIVE_UP,
      drainDelay: DRAIN,
      cleanupTimeout: CLEANUP,
      // Full jitter: a random share of a bound that is `min` at first and doubles with every failure.
      backoff: ({ context }) => {
        const { min, max } = options.restart.backoff;
        return Math.max(1, Math.floor(random.fraction() * Math.min(max, min * 2 ** Math.min(30, context.attempts - 1))));
      },
      restartPeriod: options.restart.period,
      stableUptime: options.restart.period,
    },
  });

  return supervisor.provide({
    actors: {
      instance: wiredInstance,
      connection: wiredConnection,
      sharedListener: sharedListener({
        onConnection: shared.onConnection,
        accept: {
          peers: () => engine.lobby.values(),
          admit: socket => admit(null, socket),
          // As many as all the instances it leads to could have had for themselves.
          maxPending: () => bounds.pendingConnections * Math.max(1, engine.leads.size),
        },
        release,
      }),
    },
    actions: {
      stopInstances: ({ context }, { grace }) => {
        for (const actorId of [...context.instances].reverse()) engine.at(actorId)?.stop(grace);
      },
      abandonInstance: (_, { actorId, error }) => engine.abandoned(engine.at(actorId), error),
      releaseActorId: (_, { actorId }) => engine.places.release(actorId),
    },
  });
}
