// The effect `link`: reads the messages of one connection, answers heartbeats, and passes responses to the request table. The
// chart is told only what changes the state of the connection.
import { fromCallback } from 'xstate';
import type { ConnectionEvent, ConnectionName, LinkCommand } from '../../machines/connection.ts';
import { SpearletError } from '../errors.ts';
import type { SpearMessage, U64 } from '../protocol/message.ts';
import { decodeAuthRequest, encodeAuthResponse, encodeSignal } from '../protocol/v1/messages.ts';
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
  peer(name: ConnectionName): Connection;
  release(peer: Connection): void;
  /** Returns the receiver of ExecuteResponses of an admitted connection. It throws PROTOCOL_ERROR for a malformed one. */
  answer(peer: Connection): (message: SpearMessage) => void;
  /** A message that a host does not expect: an Error, a Signal, a request. */
  unexpected(peer: Connection, message: SpearMessage): void;
}

export const link = (deps: LinkDeps) =>
  fromCallback<LinkCommand, ConnectionName, ConnectionEvent>(({ input, sendBack, receive }) => {
    const peer = deps.peer(input);
    const { link } = peer;
    const answered = new Set<U64>();
    // Random, so that our heartbeat ids do not collide with those of the agent.
    let nextBeat = Math.floor(deps.random.fraction() * 2 ** 52);
    let isOver = false;
    let answer: ((message: SpearMessage) => void) | null = null;
    let beat: { id: U64; at: number } | null = null;

    const heartbeat = ({ requestId, payload }: SpearMessage): void => {
      if (beat !== null && requestId === beat.id) {
        peer.roundTrip = deps.clock.now() - beat.at;
        sendBack({ type: 'link.answered' });
        return;
      }
      // An id that was answered before is the echo of our answer. Answering it again would never end.
      if (answered.has(requestId)) return;
      if (link.pending > deps.maxUnreadBytes) throw new SpearletError('PROTOCOL_ERROR', 'it asks for more than it reads');
      answered.add(requestId);
      if (answered.size > deps.maxAnswered) for (const oldest of answered) if (answered.delete(oldest)) break;
      link.send('Heartbeat', requestId, payload);
    };

    const receiveMessage = (message: SpearMessage): void => {
      if (peer.stage === 'admitted') {
        if (message.type === 'ExecuteResponse') answer?.(message);
        else if (message.type === 'Heartbeat') heartbeat(message);
        else deps.unexpected(peer, message);
        return;
      }
      if (message.type !== 'AuthRequest') throw new SpearletError('PROTOCOL_ERROR', `expected an AuthRequest, found ${message.type}`);
      peer.auth = decodeAuthRequest(message.payload);
      peer.authId = message.requestId;
      peer.stage = 'asking';
      // Reading stops until the connection is authenticated or refused.
      link.hold();
      sendBack({ type: 'auth.received' });
    };

    // A connection that the shared listener has routed here was opened before: this call takes it over.
    link.open({
      message(message) {
        if (!isOver) receiveMessage(message);
      },
      held(held) {
        if (!isOver) sendBack({ type: held ? 'reading.paused' : 'reading.resumed' });
      },
      ended(end) {
        if (!isOver) sendBack({ type: 'link.closed', ...end });
      },
    });

    receive(command => {
      switch (command.type) {
        case 'check': {
          // While reading is paused, only a write shows whether the peer is still there.
          if (link.paused) link.send('Heartbeat', (nextBeat += 1), '');
          const heard = beat === null ? deps.clock.now() - link.heardAt < deps.heartbeatInterval : link.heardAt >= beat.at;
          if (heard) beat = null;
          sendBack({ type: heard ? 'link.heard' : 'link.silent' });
          break;
        }
        case 'heartbeat':
          nextBeat += 1;
          beat = { id: nextBeat, at: deps.clock.now() };
          link.send('Heartbeat', nextBeat, '');
          break;
        case 'welcome':
          peer.stage = 'admitted';
          answer = deps.answer(peer);
          link.send('AuthResponse', peer.authId, encodeAuthResponse({ success: true, errorMessage: null, sessionId: peer.label }));
          link.admit(deps.maxFrameBytes);
          break;
        case 'terminate':
          link.send('Signal', 1, encodeSignal({ signal: 'terminate', grace_ms: command.grace }));
          break;
      }
    });

    // A routed connection has sent its AuthRequest before.
    if (peer.auth !== null) sendBack({ type: 'auth.received' });

    return () => {
      isOver = true;
      deps.release(peer);
    };
  });

/** The same answer for every cause of refusal. Only a peer with the right token is told that the session is claimed. */
export function refuse({ link, authId }: Connection, because: 'refused' | 'claimed'): void {
  const errorMessage = because === 'claimed' ? 'already claimed' : 'authentication refused';
  link.send('AuthResponse', authId, encodeAuthResponse({ success: false, errorMessage, sessionId: null }));
}

/** Sends an Error message with the reason, unless the connection itself is lost. */
export function sendError({ link }: Connection, code: string, message: string): void {
  if (code !== 'LINK_LOST') link.send('Error', 1, JSON.stringify({ code, message }));
}
