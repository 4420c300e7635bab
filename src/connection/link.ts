// The effect `link`, and the actions `refuse` and `sendError`. The link tells the connection chart what changes the state of a
// connection, and answers heartbeats. Once the chart has opened the session, responses go from the channel straight to the request
// table.
import { fromCallback } from 'xstate';
import type { ConnectionEvent, ConnectionName, LinkCommand } from '../../machines/connection.ts';
import { SpearletError } from '../errors.ts';
import type { HostCodec, HostReceiver } from '../protocol/codec.ts';
import { CLAIMED, type ExecuteResponse, type MessageType, type U64 } from '../protocol/message.ts';
import type { Clock } from '../world/clock.ts';
import type { Deadlines } from '../world/deadlines.ts';
import type { Random } from '../world/random.ts';
import { AnsweredHeartbeats } from './answered-heartbeats.ts';
import type { HostChannel } from './channel.ts';
import type { Connection } from './connection.ts';
import type { Continuity } from './continuity.ts';
import { challengeOf } from './credentials.ts';
import { Heartbeats } from './heartbeats.ts';
import { checkUnread } from './unread.ts';

export interface LinkDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly deadlines: Pick<Deadlines, 'add'>;
  readonly heartbeatInterval: number;
  readonly maxFrameBytes: number;
  readonly maxQueuedBytes: number;
  connection(name: ConnectionName): Connection;
  release(connection: Connection): void;
  /** The session of this connection is open. Returns what it goes on with; null on wire v1, which cannot resume. */
  opened(connection: Connection): Continuity | null;
  readonly v2: HostCodec;
  /** Takes the ExecuteResponses of a connection that holds the session. Throws PROTOCOL_ERROR. */
  responses(connection: Connection): (requestId: U64, response: ExecuteResponse) => void;
  unexpectedMessage(connection: Connection, type: MessageType, payload: Buffer): void;
}

/**
 * What is accepted before the session is open: one AuthRequest; on wire v2 a second one with the proof, or an Error that refuses the
 * proof of the host.
 */
function beforeSession(connection: Connection, received: (what: 'auth.received' | 'proof.received') => void): HostReceiver {
  const refuse = (type: MessageType): never => {
    throw new SpearletError('PROTOCOL_ERROR', `expected an AuthRequest, found ${type}`);
  };
  return {
    authRequest(requestId, request) {
      const { auth, handshake, proof } = connection;
      if (auth === null) connection.auth = request;
      else if (handshake !== null && proof === null && request.proof !== undefined) connection.proof = request.proof;
      else throw new SpearletError('PROTOCOL_ERROR', 'an AuthRequest that nothing asked for');
      connection.authId = requestId;
      // Reading stops until the connection is authenticated, refused or challenged.
      connection.channel.pauseReading();
      received(auth === null ? 'auth.received' : 'proof.received');
    },
    executeResponse: () => refuse('ExecuteResponse'),
    heartbeat: () => refuse('Heartbeat'),
    // Wire v1, which is spoken here, has no such message.
    resume() {},
    other(type) {
      if (type !== 'Error' || connection.handshake === null) return refuse(type);
      connection.channel.end({ code: 'AUTH_REFUSED', message: 'the agent does not accept the proof of the host: it has another token' });
    },
  };
}

/** The first message of v2 shows that the agent has the session, and says how many messages it has. */
function beforeResume(channel: HostChannel, session: HostReceiver, used: () => void): HostReceiver {
  const refuse = (): never => {
    throw new SpearletError('PROTOCOL_ERROR', 'expected the count of messages with which a connection of wire v2 begins');
  };
  return {
    authRequest: refuse,
    executeResponse: refuse,
    heartbeat: refuse,
    other: refuse,
    resume(received) {
      channel.deliverTo(session);
      used();
      channel.resume(received);
    },
  };
}

export const link = (deps: LinkDeps) =>
  fromCallback<LinkCommand, ConnectionName, ConnectionEvent>(({ input, sendBack, receive }) => {
    const connection = deps.connection(input);
    const { channel } = connection;
    /** Made for the first heartbeat of the agent. */
    let echoed: AnsweredHeartbeats | null = null;
    let isOver = false;
    const heartbeats = new Heartbeats({
      channel,
      clock: deps.clock,
      deadlines: deps.deadlines,
      interval: deps.heartbeatInterval,
      firstId: Math.floor(deps.random.fraction() * 2 ** 52),
      silent: () => sendBack({ type: 'link.silent' }),
      answered: () => sendBack({ type: 'link.answered' }),
    });

    const heartbeat = (requestId: U64, payload: Buffer): void => {
      const roundTrip = heartbeats.roundTripOf(requestId);
      if (roundTrip !== null) {
        connection.roundTrip = roundTrip;
        return;
      }
      echoed ??= new AnsweredHeartbeats();
      if (echoed.has(requestId)) return;
      checkUnread(channel, deps.maxQueuedBytes);
      echoed.add(requestId);
      channel.queue.addUrgent(channel.codec.heartbeat(requestId, payload));
    };

    // A connection that the shared listener has routed here was opened before: this call takes it over.
    channel.open(
      beforeSession(connection, type => sendBack({ type })),
      {
        readingPaused(on) {
          if (!isOver) sendBack({ type: on ? 'reading.paused' : 'reading.resumed' });
        },
        ended(end) {
          if (!isOver) sendBack({ type: 'link.closed', ...end });
        },
      },
    );

    receive(command => {
      switch (command.type) {
        case 'check':
          sendBack({ type: heartbeats.check() ? 'link.heard' : 'link.silent' });
          break;
        case 'heartbeat':
          heartbeats.send();
          break;
        case 'challenge': {
          const { authId, auth, handshake } = connection;
          const challenge = challengeOf(handshake!, auth!.instanceId);
          channel.queue.add(channel.codec.authResponse(authId, { success: false, errorMessage: null, sessionId: null, challenge }));
          channel.resumeReading();
          break;
        }
        case 'welcome': {
          connection.sessionSince = deps.clock.now();
          const continuity = deps.opened(connection);
          channel.queue.add(
            channel.codec.authResponse(connection.authId, { success: true, errorMessage: null, sessionId: connection.connectionId }),
          );
          const session: HostReceiver = {
            executeResponse: deps.responses(connection),
            heartbeat,
            authRequest: () => deps.unexpectedMessage(connection, 'AuthRequest', NOTHING),
            resume() {
              throw new SpearletError('PROTOCOL_ERROR', 'a count of messages in the midst of a connection');
            },
            other: (type, payload) => deps.unexpectedMessage(connection, type, payload),
          };
          const used = (): void => {
            heartbeats.watch();
            sendBack({ type: 'session.used' });
          };
          if (continuity !== null) {
            channel.use(deps.v2);
            channel.adopt(continuity);
            channel.deliverTo(beforeResume(channel, session, used));
          } else {
            channel.deliverTo(session);
            used();
          }
          channel.openFully(deps.maxFrameBytes);
          break;
        }
        case 'terminate':
          heartbeats.end();
          channel.queue.add(channel.codec.terminate(command.grace));
          break;
      }
    });

    // A routed connection has sent its AuthRequest before.
    if (connection.auth !== null) sendBack({ type: 'auth.received' });

    return () => {
      isOver = true;
      heartbeats.end();
      deps.release(connection);
    };
  });

const NOTHING = Buffer.alloc(0);

/** The same answer for a wrong token and a wrong instance id. Only an agent with the right token is told that the session is claimed. */
export function refuse({ channel, authId }: Connection, because: 'refused' | 'claimed' | 'version', protocols: readonly number[]): void {
  const refusal = { success: false, errorMessage: REFUSALS[because], sessionId: null };
  channel.queue.add(channel.codec.authResponse(authId, because === 'version' ? { ...refusal, protocols } : refusal));
}

const REFUSALS = {
  refused: 'authentication refused',
  claimed: CLAIMED,
  version: 'no common version of the wire',
};

/** Sends an Error message with the reason, unless the connection itself is lost. */
export function sendError({ channel }: Connection, code: string, message: string): void {
  if (code !== 'LINK_LOST') channel.sendError(code, message);
}
