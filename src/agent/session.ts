// The agent's way to its host and back: connects, authenticates, answers heartbeats, tries again. What it does is decided
// by the table; it knows nothing of handlers.

import { createFramedChannel, type FramedChannel } from '../connection/framed-channel.ts';
import { SpearletError } from '../errors.ts';
import type { ExecuteRequest, SpearMessage, U64 } from '../protocol/message.ts';
import { decodeAuthResponse, decodeExecuteRequest, decodeSignal, encodeAuthRequest, v1 } from '../protocol/v1/codec.ts';
import { tcp } from '../transport/tcp.ts';
import { alarm, clock, fraction } from './clock.ts';
import type { Invitation } from './environment.ts';
import { type Event, initialState, type State, table } from './table.ts';

const CLIENT_VERSION = '1.0.0';
/** In ms. The first try after a loss comes at once; the next ones after a random share of a doubling bound. */
const RETRY = { first: 50, max: 2_000 };
const GIVE_UP = 30_000;
const ANSWER_TIMEOUT = 10_000;
/** How many ids of answered heartbeats are remembered. */
const MAX_ANSWERED = 1_024;

export interface SessionEvents {
  /** A session is open, anew after a loss. */
  opened(link: FramedChannel): void;
  /** The link is gone; what is not sent waits. */
  closed(): void;
  /** What was sent has been taken by the system: there is room again. */
  drained(): void;
  request(requestId: U64, request: ExecuteRequest): void;
  /** Nobody waits any more for the request of this id, which is of this task. */
  cancel(requestId: U64, taskId: string): void;
  signal(data: string): void;
  /** It will end once everything in hand is finished; `drained` says so. `hurry`: by SIGTERM. */
  draining(hurry: boolean): void;
  /** Final. An error where serve() has to reject. */
  ended(error: SpearletError | null, hostGone: boolean): void;
}

export interface Session {
  happened(event: 'terminate' | 'drained' | 'host.gone', hurry?: boolean): void;
}

export function openSession({ host, port, token, instanceId, maxFrameBytes }: Invitation, events: SessionEvents): Session {
  let state: State | null = null;
  let link: FramedChannel | null = null;
  let tries = 0;
  let trouble = 'no connection';
  const stepAlarm = alarm();
  const giveUpAlarm = alarm();
  let answered = new Set<U64>();

  const hangUp = (): void => {
    const old = link;
    link = null;
    old?.close();
  };

  const enter: Record<State, (event: Event | null) => void> = {
    connecting() {
      if (state === null || tries === 0) giveUpAlarm.set(GIVE_UP, () => happened('giveUp'));
      tries += 1;
      call();
    },
    authenticating() {
      stepAlarm.set(ANSWER_TIMEOUT, () => happened('answerTimeout'));
      link?.send('AuthRequest', 1, encodeAuthRequest({ instanceId, token, clientVersion: CLIENT_VERSION }));
    },
    waiting() {
      hangUp();
      const bound = Math.min(RETRY.max, RETRY.first * 2 ** tries);
      // An evicted stranger may be us: the first time we are back at once.
      stepAlarm.set(tries <= 1 ? 0 : Math.ceil(fraction() * bound), () => happened('retry'));
    },
    serving() {
      tries = 0;
      stepAlarm.clear();
      giveUpAlarm.clear();
      if (link !== null) events.opened(link);
    },
    draining() {
      events.draining(false);
    },
    ended(event) {
      finish(null, event === 'host.gone', event === 'drained');
    },
    refused() {
      finish(new SpearletError('AUTH_REFUSED', 'the host refused this token or instance id', { instanceId }), false);
    },
    lost() {
      finish(
        new SpearletError('LINK_LOST', `no session with ${host}:${port} within ${GIVE_UP / 1000} s; the last trouble: ${trouble}`, {
          instanceId,
        }),
        false,
      );
    },
  };

  const finish = (error: SpearletError | null, hostGone: boolean, orderly = false): void => {
    stepAlarm.clear();
    giveUpAlarm.clear();
    const ended = (): void => events.ended(error, hostGone);
    // The last answers are on their way: until they are out, a SIGTERM must not end the process.
    if (orderly && link !== null) return link.finish(ended);
    hangUp();
    ended();
  };

  const happened = (event: Event): void => {
    const next = state === null ? undefined : table[state][event];
    if (next === undefined) return;
    if (event === 'closed') {
      link = null;
      if (state === 'serving' || state === 'draining') events.closed();
    }
    state = next;
    enter[next](event);
  };

  const call = (): void => {
    answered = new Set();
    const wire = tcp.connect({ kind: 'tcp', host, port }, () => {
      if (link === mine) happened('connected');
    });
    const mine = createFramedChannel(wire, clock, v1, maxFrameBytes);
    link = mine;
    mine.open({
      message: message => {
        if (link === mine) read(mine, message);
      },
      drained: events.drained,
      ended({ code, message }) {
        trouble = message;
        // The host has a right to know why we leave.
        if (code !== 'LINK_LOST') mine.send('Error', 1, JSON.stringify({ code, message }));
        mine.close();
        if (link === mine) happened('closed');
      },
    });
  };

  const read = (from: FramedChannel, message: SpearMessage): void => {
    switch (message.type) {
      case 'AuthResponse': {
        const { success, errorMessage } = decodeAuthResponse(message.payload);
        if (success) happened('admitted');
        else if (errorMessage === 'already claimed') {
          trouble = errorMessage;
          happened('claimed');
        } else happened('refused');
        break;
      }
      case 'ExecuteRequest':
        if (state === 'serving' || state === 'draining') events.request(message.requestId, decodeExecuteRequest(message.payload));
        break;
      case 'Heartbeat':
        // An id answered before is an echo of our answer: two echoing sides must not storm.
        if (answered.has(message.requestId)) break;
        answered.add(message.requestId);
        if (answered.size > MAX_ANSWERED) for (const oldest of answered) if (answered.delete(oldest)) break;
        from.send('Heartbeat', message.requestId, message.payload);
        break;
      case 'Signal': {
        const signal = decodeSignal(message.payload);
        if (signal?.signal === 'cancel') events.cancel(message.requestId, signal.task_id);
        else if (signal?.signal === 'user') events.signal(signal.data);
        else if (signal?.signal === 'terminate') happened('terminate');
        break;
      }
      case 'Error':
        trouble = message.payload.toString('utf8', 0, 1_000);
        break;
      default:
        throw new SpearletError('PROTOCOL_ERROR', `a host does not send ${message.type}`);
    }
  };

  const begin = (): void => {
    enter[initialState](null);
    state = initialState;
  };
  begin();

  return {
    happened(event, hurry = false) {
      happened(event);
      if (hurry && state === 'draining') events.draining(true);
    },
  };
}
