// The effect `link`: tells the connection chart what changes the state of a connection, and answers heartbeats. Once the chart
// has opened the session, responses go from the channel straight to the request table.
import { fromCallback } from 'xstate';
import type { ConnectionEvent, ConnectionName, LinkCommand } from '../../machines/connection.ts';
import { SpearletError } from '../errors.ts';
import type { HostReceiver } from '../protocol/codec.ts';
import type { ExecuteResponse, MessageType, U64 } from '../protocol/message.ts';
import type { Clock } from '../world/clock.ts';
import type { Random } from '../world/random.ts';
import type { Connection } from './connection.ts';

export interface LinkDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly heartbeatInterval: number;
  readonly maxFrameBytes: number;
  readonly maxAnswered: number;
  readonly maxUnreadBytes: number;
  connection(name: ConnectionName): Connection;
  release(connection: Connection): void;
  /** Takes the ExecuteResponses of a connection that holds the session. Throws PROTOCOL_ERROR. */
  responses(connection: Connection): (requestId: U64, response: ExecuteResponse) => void;
  unexpectedMessage(connection: Connection, type: MessageType, payload: Buffer): void;
}

/** Before the session is open only one message is accepted, an AuthRequest. */
function beforeSession(connection: Connection, received: () => void): HostReceiver {
  const refuse = (type: MessageType): never => {
    throw new SpearletError('PROTOCOL_ERROR', `expected an AuthRequest, found ${type}`);
  };
  return {
    authRequest(requestId, request) {
      connection.auth = request;
      connection.authId = requestId;
      // Reading stops until the connection is authenticated or refused.
      connection.channel.hold();
      received();
    },
    executeResponse: () => refuse('ExecuteResponse'),
    heartbeat: () => refuse('Heartbeat'),
    other: refuse,
  };
}

export const link = (deps: LinkDeps) =>
  fromCallback<LinkCommand, ConnectionName, ConnectionEvent>(({ input, sendBack, receive }) => {
    const connection = deps.connection(input);
    const { channel } = connection;
    const answered = new Set<U64>();
    // Random, so that our heartbeat ids do not collide with those of the agent.
    let nextBeat = Math.floor(deps.random.fraction() * 2 ** 52);
    let isOver = false;
    let beat: { id: U64; at: number } | null = null;

    const heartbeat = (requestId: U64, payload: Buffer): void => {
      if (beat !== null && requestId === beat.id) {
        connection.roundTrip = deps.clock.now() - beat.at;
        sendBack({ type: 'link.answered' });
        return;
      }
      // An id that was answered before is the echo of our answer. Answering it again would never end.
      if (answered.has(requestId)) return;
      if (channel.pending > deps.maxUnreadBytes) throw new SpearletError('PROTOCOL_ERROR', 'it asks for more than it reads');
      answered.add(requestId);
      if (answered.size > deps.maxAnswered) for (const oldest of answered) if (answered.delete(oldest)) break;
      channel.sendUrgent(channel.codec.heartbeat(requestId, payload));
    };

    // A connection that the shared listener has routed here was opened before: this call takes it over.
    channel.open(
      beforeSession(connection, () => sendBack({ type: 'auth.received' })),
      {
        held(held) {
          if (!isOver) sendBack({ type: held ? 'reading.paused' : 'reading.resumed' });
        },
        ended(end) {
          if (!isOver) sendBack({ type: 'link.closed', ...end });
        },
      },
    );

    receive(command => {
      switch (command.type) {
        case 'check': {
          // While reading is paused, only a write shows whether the agent is still there.
          if (channel.paused) channel.sendUrgent(channel.codec.heartbeat((nextBeat += 1), ''));
          const heard = beat === null ? deps.clock.now() - channel.heardAt < deps.heartbeatInterval : channel.heardAt >= beat.at;
          if (heard) beat = null;
          sendBack({ type: heard ? 'link.heard' : 'link.silent' });
          break;
        }
        case 'heartbeat':
          nextBeat += 1;
          beat = { id: nextBeat, at: deps.clock.now() };
          channel.sendUrgent(channel.codec.heartbeat(nextBeat, ''));
          break;
        case 'welcome':
          connection.sessionSince = deps.clock.now();
          channel.send(channel.codec.authResponse(connection.authId, { success: true, errorMessage: null, sessionId: connection.label }));
          channel.deliverTo({
            executeResponse: deps.responses(connection),
            heartbeat,
            authRequest: () => deps.unexpectedMessage(connection, 'AuthRequest', NOTHING),
            other: (type, payload) => deps.unexpectedMessage(connection, type, payload),
          });
          channel.admit(deps.maxFrameBytes);
          break;
        case 'terminate':
          channel.send(channel.codec.terminate(command.grace));
          break;
      }
    });

    // A routed connection has sent its AuthRequest before.
    if (connection.auth !== null) sendBack({ type: 'auth.received' });

    return () => {
      isOver = true;
      deps.release(connection);
    };
  });

const NOTHING = Buffer.alloc(0);

/** The same answer for every cause of refusal. Only an agent with the right token is told that the session is claimed. */
export function refuse({ channel, authId }: Connection, because: 'refused' | 'claimed'): void {
  const errorMessage = because === 'claimed' ? 'already claimed' : 'authentication refused';
  channel.send(channel.codec.authResponse(authId, { success: false, errorMessage, sessionId: null }));
}

/** Sends an Error message with the reason, unless the connection itself is lost. */
export function sendError({ channel }: Connection, code: string, message: string): void {
  if (code !== 'LINK_LOST') channel.send(channel.codec.error(code, message));
}
