// The effects that the connection chart names, tied to what does them.
import type { ConnectionName, connectionMachine } from '../../machines/connection.ts';
import { bounds } from '../limits.ts';
import type { ParsedOptions } from '../options.ts';
import type { HostCodec } from '../protocol/codec.ts';
import type { ExecuteResponse, MessageType, U64 } from '../protocol/message.ts';
import type { Clock } from '../world/clock.ts';
import type { Random } from '../world/random.ts';
import { authenticate } from './authenticate.ts';
import type { Connection } from './connection.ts';
import { accept, type Credentials } from './handshake.ts';
import type { SharedDeadlines } from './heartbeats.ts';
import { link, refuse, sendError } from './io.ts';

/** How long a silent link is looked at once more, in ms: long enough to read what has arrived while we were slow. */
const FINAL_CHECK = 50;
/** How long a session has to answer when somebody else shows its token, in ms. */
const PROBE = 1_000;

/** What connections need from the supervisor that they belong to. */
export interface ConnectionHost {
  readonly clock: Clock;
  readonly random: Random;
  readonly deadlines: SharedDeadlines;
  /** Throws where there is no such connection. */
  connection(name: ConnectionName): Connection;
  release(connection: Connection): void;
  /** The credentials of the instance that a connection names. Null: the shared listener routes to no such instance. */
  credentials(connection: Connection): Credentials | null;
  /** The codec of wire v2. */
  readonly v2: HostCodec;
  /** Takes the ExecuteResponses of a connection that holds the session. */
  responses(connection: Connection): (requestId: U64, response: ExecuteResponse) => void;
  unexpectedMessage(connection: Connection, type: MessageType, payload: Buffer): void;
  handOver(connection: Connection): void;
  connectionClosed(connection: Connection, code: string, message: string): void;
}

/** `maxUnreadBytes`: what an agent may leave unread, in bytes, before it is hung up on. */
export function wireConnection(chart: typeof connectionMachine, host: ConnectionHost, options: ParsedOptions, maxUnreadBytes: number) {
  const { clock, random, deadlines } = host;
  return chart.provide({
    actors: {
      link: link({
        clock,
        random,
        deadlines,
        heartbeatInterval: options.heartbeat.interval,
        maxFrameBytes: options.maxFrameBytes,
        maxAnswered: bounds.answeredHeartbeats,
        maxUnreadBytes,
        connection: host.connection,
        release: host.release,
        v2: host.v2,
        opened: connection => accept(host.credentials(connection)!, connection.handshake),
        responses: host.responses,
        unexpectedMessage: host.unexpectedMessage,
      }),
      authenticate: authenticate({ random, protocols: options.protocols, connection: host.connection, credentials: host.credentials }),
    },
    actions: {
      refuse: ({ context }, { because }) => refuse(host.connection(context), because, options.protocols),
      sendError: ({ context }) => sendError(host.connection(context), context.code, context.message),
      handOver: ({ context }) => host.handOver(host.connection(context)),
      reportEnd: ({ context }) => host.connectionClosed(host.connection(context), context.code, context.message),
    },
    delays: {
      authTimeout: options.authTimeout,
      heartbeat: options.heartbeat.interval,
      finalCheck: FINAL_CHECK,
      probe: Math.min(PROBE, options.authTimeout / 2),
    },
  });
}
