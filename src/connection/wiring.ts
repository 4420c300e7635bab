// The effects that the connection chart names, tied to what does them.
import type { ConnectionName, connectionMachine } from '../../machines/connection.ts';
import type { ParsedOptions } from '../option-schemas.ts';
import type { HostCodec } from '../protocol/codec.ts';
import type { ExecuteResponse, MessageType, U64 } from '../protocol/message.ts';
import type { Clock } from '../world/clock.ts';
import type { Deadlines } from '../world/deadlines.ts';
import type { Random } from '../world/random.ts';
import { authenticate } from './authenticate.ts';
import type { Connection } from './connection.ts';
import { type Credentials, openEpoch } from './credentials.ts';
import { link, refuse, sendError } from './link.ts';

/** How long a silent link is looked at once more, in ms: long enough to read what has arrived while we were slow. */
const FINAL_CHECK = 50;
/** How long a session has to answer when somebody else shows its token, in ms. */
const PROBE = 1_000;

/** What connections need from the supervisor that they belong to. */
export interface ConnectionSupervisor {
  readonly clock: Clock;
  readonly random: Random;
  readonly deadlines: Pick<Deadlines, 'add'>;
  /** Throws where there is no such connection. */
  connection(name: ConnectionName): Connection;
  release(connection: Connection): void;
  /** Throws INTERNAL for an unknown instance. */
  credentials(instanceId: string): Credentials;
  /** Whether the shared listener routes connections to an instance of this id. */
  isRouted(instanceId: string): boolean;
  /** The codec of wire v2. */
  readonly v2: HostCodec;
  /** Takes the ExecuteResponses of a connection that holds the session. */
  responses(connection: Connection): (requestId: U64, response: ExecuteResponse) => void;
  unexpectedMessage(connection: Connection, type: MessageType, payload: Buffer): void;
  handOver(connection: Connection): void;
  reportEnd(connection: Connection, code: string, message: string): void;
}

export function wireConnection(chart: typeof connectionMachine, supervisor: ConnectionSupervisor, options: ParsedOptions) {
  const { clock, random, deadlines } = supervisor;
  return chart.provide({
    actors: {
      link: link({
        clock,
        random,
        deadlines,
        heartbeatInterval: options.heartbeat.interval,
        maxFrameBytes: options.maxFrameBytes,
        maxQueuedBytes: options.maxQueuedBytes,
        connection: supervisor.connection,
        release: supervisor.release,
        v2: supervisor.v2,
        opened: connection => openEpoch(supervisor.credentials(connection.instanceId!), connection.handshake),
        responses: supervisor.responses,
        unexpectedMessage: supervisor.unexpectedMessage,
      }),
      authenticate: authenticate({
        random,
        protocols: options.protocols,
        connection: supervisor.connection,
        credentials: supervisor.credentials,
        isRouted: supervisor.isRouted,
      }),
    },
    actions: {
      refuse: ({ context }, { because }) => refuse(supervisor.connection(context), because, options.protocols),
      sendError: ({ context }) => sendError(supervisor.connection(context), context.code, context.message),
      handOver: ({ context }) => supervisor.handOver(supervisor.connection(context)),
      reportEnd: ({ context }) => supervisor.reportEnd(supervisor.connection(context), context.code, context.message),
    },
    delays: {
      // A connection that the shared listener has routed has been open for a while.
      authTimeout: ({ context }) =>
        Math.max(0, options.authTimeout - (clock.now() - supervisor.connection(context).channel.counts.connectedAt)),
      heartbeat: options.heartbeat.interval,
      finalCheck: FINAL_CHECK,
      probe: Math.min(PROBE, options.authTimeout / 2),
    },
  });
}
