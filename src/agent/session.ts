// The session of an agent with its host: connects, authenticates, answers heartbeats, reconnects. The table decides the next
// state; this file runs the effects of each state. It does not know handlers.

import { AnsweredHeartbeats } from '../connection/answered-heartbeats.ts';
import type { AgentChannel } from '../connection/channel.ts';
import { Continuity } from '../connection/continuity.ts';
import { createFramedChannel } from '../connection/framed-channel.ts';
import { SpearletError } from '../errors.ts';
import type { AgentCodec, AgentReceiver } from '../protocol/codec.ts';
import type { ExecuteRequest, U64 } from '../protocol/message.ts';
import { formatAddress } from '../transport/address.ts';
import { type Attempt, createAuthentication } from './authentication.ts';
import { alarm } from './clock.ts';
import type { HostEndpoint } from './environment.ts';
import { watchSilence } from './silence.ts';
import { initialState, type SessionEvent, type SessionState, table } from './table.ts';
import { realWorld, type SessionWorld } from './world.ts';

/** In ms. The bound of the delay doubles with each attempt, up to `max`; the delay is a random share of it. */
const RETRY = { first: 50, max: 2_000 };
/** How long an agent of wire v2 goes on to try where no host proves itself, in ms. */
const UNPROVEN = 3_000;
/** How long the host may take to answer an AuthRequest, in ms. */
const ANSWER_TIMEOUT = 10_000;

export interface SessionHandlers {
  /** The features that the handlers understand, as they are announced to the host. */
  readonly features?: readonly string[] | undefined;
  /** A session is open: the first one, or a new one after a loss. */
  opened(channel: AgentChannel): void;
  /** The link is gone. Unsent answers wait for the next session. */
  closed(): void;
  /** The system has taken all that was sent: more can be sent. */
  writable(): void;
  request(requestId: U64, request: ExecuteRequest): void;
  /** The host cancels the request with this id, which belongs to this task. */
  cancel(requestId: U64, taskId: string | null): void;
  signal(data: string): void;
  /** The host takes more output of the request with this id, in bytes. */
  window(requestId: U64, bytes: number): void;
  /**
   * The agent has to end. The session ends when the caller dispatches `drained`. Called again with `urgent` when SIGTERM
   * demands the end: executions are then aborted.
   */
  draining(urgent: boolean): void;
  /** Called once, last. With an error if serve() has to reject. */
  ended(error: SpearletError | null, hostGone: boolean): void;
}

export interface Session {
  dispatch(event: 'terminate' | 'drained' | 'host.gone', urgent?: boolean): void;
}

export function openSession(endpoint: HostEndpoint, handlers: SessionHandlers, world: SessionWorld = realWorld): Session {
  const { address, instanceId, maxFrameBytes, giveUp } = endpoint;
  const authentication = createAuthentication(endpoint, world.clock, world.nonce, handlers.features);
  let state: SessionState | null = null;
  let channel: AgentChannel | null = null;
  let attempts = 0;
  let attempt: Attempt | null = null;
  /** When a host first failed to prove itself. */
  let unprovenSince: number | null = null;
  /** The running epoch of wire v2, and what outlives its connections. */
  let epoch: number | null = null;
  let continuity: Continuity | null = null;
  let lastFailure = 'no connection';
  let refusal: SpearletError | null = null;
  const stepAlarm = alarm(world.clock);
  const giveUpAlarm = alarm(world.clock);
  let answeredHeartbeats = new AnsweredHeartbeats();
  let unwatchSilence = (): void => {};

  /** An inherited socket cannot be opened again: its loss ends the agent. */
  const lossOf = (from: SessionState | null): SessionEvent => {
    if (address.kind !== 'fd' || from === 'draining') return 'closed';
    return from === 'serving' ? 'host.gone' : 'giveUp';
  };

  const closeChannel = (): void => {
    unwatchSilence();
    const closing = channel;
    channel = null;
    closing?.close();
  };

  const enter: Record<SessionState, (event: SessionEvent | null) => void> = {
    connecting() {
      if (state === null || attempts === 0) giveUpAlarm.set(giveUp, () => dispatch('giveUp'));
      attempts += 1;
      connect();
    },
    authenticating() {
      stepAlarm.set(ANSWER_TIMEOUT, () => dispatch('answerTimeout'));
      attempt = authentication.begin();
      channel?.queue.add(attempt.first);
    },
    waiting() {
      closeChannel();
      if (address.kind === 'fd') return dispatch('giveUp');
      const bound = Math.min(RETRY.max, RETRY.first * 2 ** attempts);
      // The host may have evicted this connection as unauthenticated. So the first retry comes at once.
      stepAlarm.set(attempts <= 1 ? 0 : Math.ceil(world.fraction() * bound), () => dispatch('retry'));
    },
    serving() {
      attempts = 0;
      unprovenSince = null;
      stepAlarm.clear();
      giveUpAlarm.clear();
      if (channel === null) return;
      // A host of wire v1 may not answer heartbeats.
      if (channel.codec.version > 1) unwatchSilence = watchSilence(channel, world.clock, endpoint.silence, answeredHeartbeats);
      handlers.opened(channel);
    },
    draining() {
      handlers.draining(false);
    },
    ended(event) {
      finish(null, event === 'host.gone', event === 'drained');
    },
    refused() {
      finish(refusal ?? new SpearletError('AUTH_REFUSED', 'the host refused this token or instance id', { instanceId }), false);
    },
    lost() {
      const within = address.kind === 'fd' ? '' : ` within ${giveUp / 1000} s`;
      const message = `no session with ${formatAddress(address)}${within}; the last failure: ${lastFailure}`;
      finish(new SpearletError('LINK_LOST', message, { instanceId }), false);
    },
  };

  const finish = (error: SpearletError | null, hostGone: boolean, orderly = false): void => {
    stepAlarm.clear();
    giveUpAlarm.clear();
    const ended = (): void => handlers.ended(error, hostGone);
    // SIGTERM must not end the process before the last answers are sent: so `ended` waits for them.
    unwatchSilence();
    if (orderly && channel !== null) return channel.finish(ended);
    closeChannel();
    ended();
  };

  const dispatch = (event: SessionEvent): void => {
    const next = state === null ? undefined : table[state][event];
    if (next === undefined) return;
    if (event === 'closed') {
      unwatchSilence();
      channel = null;
      if (state === 'serving' || state === 'draining') handlers.closed();
    }
    state = next;
    enter[next](event);
  };

  const connect = (): void => {
    answeredHeartbeats = new AnsweredHeartbeats();
    const stream = world.network.connect(address, () => {
      if (channel === connecting) dispatch('connected');
    });
    const connecting: AgentChannel = createFramedChannel(stream, world.clock, authentication.handshakeCodec, maxFrameBytes);
    channel = connecting;
    connecting.open(receiverOf(connecting), {
      drained: handlers.writable,
      ended({ code, message }) {
        lastFailure = message;
        // Tells the host why the agent closes the connection.
        if (code !== 'LINK_LOST') connecting.sendError(code, message);
        connecting.close();
        if (channel === connecting) dispatch(lossOf(state));
      },
    });
  };

  const accepted = (from: AgentChannel, codec: AgentCodec, newEpoch: number | null): void => {
    if (newEpoch !== null) {
      if (continuity === null || newEpoch !== epoch) continuity = new Continuity();
      epoch = newEpoch;
      from.use(codec);
      from.adopt(continuity);
    }
    dispatch('accepted');
  };

  const receiverOf = (from: AgentChannel): AgentReceiver => ({
    authResponse(response) {
      const verdict = attempt?.answer(response);
      if (state !== 'authenticating' || verdict === undefined) return;
      switch (verdict.type) {
        case 'reply':
          from.queue.add(verdict.message);
          break;
        case 'accepted':
          accepted(from, verdict.codec, verdict.epoch);
          break;
        case 'mismatch': {
          const message = `the host speaks wire ${verdict.hostVersions.join(', ')}, this agent ${endpoint.protocols.join(', ')}`;
          refusal = new SpearletError('VERSION_MISMATCH', message, { instanceId });
          dispatch('refused');
          break;
        }
        default:
          lastFailure = verdict.reason;
          // A genuine host then knows that this agent has another token.
          if (verdict.type === 'hostUnproven') {
            from.sendError('AUTH_REFUSED', verdict.reason);
            unprovenSince ??= world.clock.now();
            if (world.clock.now() - unprovenSince > UNPROVEN) {
              const message = `${verdict.reason}: SPEARLET_TOKEN is wrong, or another program has taken the port`;
              refusal = new SpearletError('AUTH_REFUSED', message, { instanceId });
              return dispatch('refused');
            }
          }
          dispatch(verdict.type);
      }
    },
    executeRequest(requestId, request) {
      if (state === 'serving' || state === 'draining') handlers.request(requestId, request);
    },
    resume: received => from.resume(received),
    window: handlers.window,
    cancel: handlers.cancel,
    signal: handlers.signal,
    terminate: () => dispatch('terminate'),
    heartbeat(requestId, payload) {
      if (answeredHeartbeats.has(requestId)) return;
      answeredHeartbeats.add(requestId);
      from.queue.addUrgent(from.codec.heartbeat(requestId, payload));
    },
    other(type, payload) {
      if (type !== 'Error') throw new SpearletError('PROTOCOL_ERROR', `a host does not send ${type}`);
      lastFailure = payload.toString('utf8', 0, 1_000);
    },
  });

  enter[initialState](null);
  state = initialState;

  return {
    dispatch(event, urgent = false) {
      dispatch(event);
      if (urgent && state === 'draining') handlers.draining(true);
    },
  };
}
