// The effect `link`: reads what one socket says and answers what needs no thought. Answers to executions go to whoever
// waits for them; the chart learns only what changes the life of the connection.
import { Observable } from 'rxjs';
import { fromCallback } from 'xstate';
import type { ConnectionEvent, ConnectionName, LinkCommand } from '../../machines/connection.ts';
import { SpearletError } from '../errors.ts';
import type { SpearMessage, U64 } from '../protocol/message.ts';
import { decodeAuthRequest, encodeAuthResponse, encodeSignal } from '../protocol/v1/codec.ts';
import type { Clock } from '../world/clock.ts';
import type { Random } from '../world/random.ts';
import type { Peer } from './connection.ts';
import type { LinkEnd } from './framed-channel.ts';

export interface LinkDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly heartbeatInterval: number;
  readonly maxFrameBytes: number;
  readonly maxAnswered: number;
  readonly maxUnreadBytes: number;
  peer(name: ConnectionName): Peer;
  release(peer: Peer): void;
  /** An ExecuteResponse of an admitted peer. Throws PROTOCOL_ERROR where it cannot be read. */
  answer(peer: Peer, message: SpearMessage): void;
  /** A message that nothing waits for: an Error, a Signal, a request. */
  odd(peer: Peer, message: SpearMessage): void;
}

type Incoming = { message: SpearMessage } | { end: LinkEnd } | { held: boolean };

/** What arrives on a peer's link, in order. A later subscription takes the link over; it is closed by its owner. */
const incoming = (peer: Peer): Observable<Incoming> =>
  new Observable(subscriber => {
    peer.link.open({
      message: message => subscriber.next({ message }),
      held: held => subscriber.next({ held }),
      ended: end => {
        subscriber.next({ end });
        subscriber.complete();
      },
    });
  });

export const link = (deps: LinkDeps) =>
  fromCallback<LinkCommand, ConnectionName, ConnectionEvent>(({ input, sendBack, receive }) => {
    const peer = deps.peer(input);
    const { link } = peer;
    const answered = new Set<U64>();
    // Random, so that they do not meet the other end's own ids.
    let nextBeat = Math.floor(deps.random.fraction() * 2 ** 52);
    let beat: { id: U64; at: number } | null = null;

    const heartbeat = ({ requestId, payload }: SpearMessage): void => {
      if (beat !== null && requestId === beat.id) {
        peer.roundTrip = deps.clock.now() - beat.at;
        sendBack({ type: 'link.answered' });
        return;
      }
      // An id answered before is an echo of our answer: two echoing sides must not storm.
      if (answered.has(requestId)) return;
      if (link.pending > deps.maxUnreadBytes) throw new SpearletError('PROTOCOL_ERROR', 'it asks for more than it reads');
      answered.add(requestId);
      if (answered.size > deps.maxAnswered) for (const oldest of answered) if (answered.delete(oldest)) break;
      link.send('Heartbeat', requestId, payload);
    };

    const receiveMessage = (message: SpearMessage): void => {
      if (peer.stage === 'admitted') {
        if (message.type === 'ExecuteResponse') deps.answer(peer, message);
        else if (message.type === 'Heartbeat') heartbeat(message);
        else deps.odd(peer, message);
        return;
      }
      if (message.type !== 'AuthRequest') throw new SpearletError('PROTOCOL_ERROR', `expected an AuthRequest, found ${message.type}`);
      peer.auth = decodeAuthRequest(message.payload);
      peer.authId = message.requestId;
      peer.stage = 'asking';
      // Nothing more is read until it is known whether it may speak.
      link.hold();
      sendBack({ type: 'auth.received' });
    };

    const subscription = incoming(peer).subscribe(arrived => {
      // An observer must not throw: RxJS would make it an uncaught exception of the host.
      if ('message' in arrived) {
        try {
          receiveMessage(arrived.message);
        } catch (thrown) {
          link.fail(thrown);
        }
      } else if ('held' in arrived) sendBack({ type: arrived.held ? 'reading.paused' : 'reading.resumed' });
      else sendBack({ type: 'link.closed', ...arrived.end });
    });

    receive(command => {
      switch (command.type) {
        case 'check': {
          // While we do not read, only writing shows whether the other end is still there.
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
          link.send('AuthResponse', peer.authId, encodeAuthResponse({ success: true, errorMessage: null, sessionId: peer.label }));
          link.admit(deps.maxFrameBytes);
          break;
        case 'terminate':
          link.send('Signal', 1, encodeSignal({ signal: 'terminate', grace_ms: command.grace }));
          break;
      }
    });

    // Led here by the shared listener, it has said who it is before.
    if (peer.auth !== null) sendBack({ type: 'auth.received' });

    return () => {
      subscription.unsubscribe();
      deps.release(peer);
    };
  });

/** The one answer to every cause of refusal; only who has shown the right token learns that it is taken. */
export function refuse({ link, authId }: Peer, because: 'refused' | 'claimed'): void {
  const errorMessage = because === 'claimed' ? 'already claimed' : 'authentication refused';
  link.send('AuthResponse', authId, encodeAuthResponse({ success: false, errorMessage, sessionId: null }));
}

/** Tells the other end what was wrong with what it sent. */
export function sendError({ link }: Peer, code: string, message: string): void {
  if (code !== 'LINK_LOST') link.send('Error', 1, JSON.stringify({ code, message }));
}
