// Ties the charts of supervisor, instance, session and connection to their effects, and to each other as parents and children.
import { type ConnectionName, connectionMachine } from '../../machines/connection.ts';
import { instanceMachine } from '../../machines/instance.ts';
import { poolMachine } from '../../machines/pool.ts';
import { sessionMachine } from '../../machines/session.ts';
import { supervisorMachine } from '../../machines/supervisor.ts';
import type { Connection } from '../connection/connection.ts';
import { createFramedChannel } from '../connection/framed-channel.ts';
import { type ConnectionSupervisor, wireConnection } from '../connection/wiring.ts';
import { wireInstance } from '../instance/wiring.ts';
import type { World } from '../instance/world.ts';
import { bounds } from '../limits.ts';
import type { ParsedOptions } from '../option-schemas.ts';
import { createV1 } from '../protocol/v1/codec.ts';
import { createV2Host } from '../protocol/v2/codec.ts';
import { createPorts } from '../transport/ports.ts';
import { createSharedListener } from '../transport/shared-listener.ts';
import type { ByteStream } from '../transport/stream.ts';
import { createDeadlines } from '../world/deadlines.ts';
import { createOwnListener } from './own-listener.ts';
import type { Registry } from './registry.ts';
import { sharedListener } from './shared-listener.ts';

/** The charts that run. Tests replace them with changed ones. */
export const charts = {
  supervisor: supervisorMachine,
  instance: instanceMachine,
  session: sessionMachine,
  connection: connectionMachine,
  pool: poolMachine,
};
export type Charts = typeof charts;

/** Heartbeats are rounded to 1/64 of the interval, so that an idle host wakes at most 64 times per interval. */
const HEARTBEAT_TURNS = 64;

export function wire(
  world: World,
  options: ParsedOptions,
  registry: Registry,
  { supervisor, instance, session, connection }: Omit<Charts, 'pool'>,
) {
  const { clock, random } = world;
  const ports = createPorts(world.network, options.host, options.ports);
  const shared = createSharedListener(ports);
  const codec = createV1(clock).host;

  const connectionsOf = (instanceId: string | null): Map<string, Connection> =>
    instanceId === null ? registry.unroutedConnections : registry.record(instanceId).connections;
  const release = (released: Connection): void => {
    connectionsOf(released.instanceId).delete(released.actorId);
    registry.connectionEvents.connectionReleased(released);
    if (!released.handedOver) released.channel.close();
  };
  const register = (instanceId: string | null, socket: ByteStream): Connection =>
    registry.register(instanceId, createFramedChannel(socket, clock, codec, options.maxPreAuthFrameBytes));

  const connectionSupervisor: ConnectionSupervisor = {
    clock,
    random,
    deadlines: createDeadlines(clock, options.heartbeat.interval / HEARTBEAT_TURNS),
    connection({ instanceId, connectionActorId }: ConnectionName) {
      const found = connectionsOf(instanceId).get(connectionActorId);
      if (found === undefined) throw new Error(`no connection '${connectionActorId}' of ${instanceId ?? 'the shared listener'}`);
      return found;
    },
    release,
    v2: createV2Host(codec),
    credentials: instanceId => registry.record(instanceId).credentials,
    isRouted: instanceId => registry.routes.has(instanceId),
    responses: ({ instanceId }) => registry.record(instanceId!).requests.executeResponse,
    unexpectedMessage: registry.connectionEvents.unexpectedMessage,
    handOver: registry.handOver,
    reportEnd: registry.connectionEvents.reportEnd,
  };
  const wiredConnection = wireConnection(connection, connectionSupervisor, options);
  const wiredSession = session.provide({ actors: { connection: wiredConnection } });
  const wiredInstance = wireInstance(instance, wiredSession, {
    world,
    options,
    supervisor: registry,
    open: {
      own: createOwnListener(world, options, ports),
      acquire: options.listener === 'shared' ? shared.acquire : null,
    },
    register,
    release,
  });

  return supervisor.provide({
    actors: {
      instance: wiredInstance,
      connection: wiredConnection,
      sharedListener: sharedListener({
        onConnection: shared.onConnection,
        limit: {
          connections: () => registry.unroutedConnections.values(),
          register: socket => register(null, socket),
          // As many as listeners of these instances would allow together.
          maxPending: () => bounds.pendingConnections * Math.max(1, registry.routes.size),
        },
        release,
      }),
    },
    actions: {
      stopInstances: ({ context }, { grace }) => {
        for (const actorId of [...context.instances].reverse()) registry.byActorId(actorId)?.stop(grace ?? undefined);
      },
      abandonInstance: (_, { actorId, error }) => registry.abandoned(registry.byActorId(actorId), error),
      releaseActorId: (_, { actorId }) => registry.actorIds.release(actorId),
    },
  });
}
