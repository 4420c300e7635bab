// One socket, from its first byte to its last, as a chart: authentication, the session, heartbeats. It knows neither
// sockets nor frames: every effect is provided by src/connection/wiring.ts.
import { assertEvent, assign, type DoneActorEvent, fromCallback, fromPromise, sendParent, sendTo, setup, stateIn } from 'xstate';

/** A command to the link actor. `check`: has anything arrived since the last check? */
export type LinkCommand =
  | { type: 'check' }
  | { type: 'heartbeat' }
  | { type: 'challenge' }
  | { type: 'welcome' }
  | { type: 'terminate'; grace: number };

/** What the link actor reports. */
export type LinkEvent =
  | { type: 'auth.received' }
  | { type: 'proof.received' }
  | { type: 'session.used' }
  | { type: 'link.heard' }
  | { type: 'link.silent' }
  | { type: 'link.answered' }
  | { type: 'reading.paused' }
  | { type: 'reading.resumed' }
  | { type: 'link.closed'; code: string; message: string };

/** With what an agent claims a session: the token itself on wire v1, or on wire v2 a proof by the token or by a resume key. */
export type ClaimedBy = 'v1' | 'token' | 'key';

/**
 * `authenticated`: the agent has the token or the resume key of this instance. `routed`: the shared listener accepted the socket, and
 * the agent has those of some instance, to which the socket is handed over. `challenged`: the agent speaks v2 and has to prove itself.
 * `noCommonVersion`: the agent speaks no version that the host speaks; `message` names both. `wrongCredentials`: none of these.
 */
export type Verdict =
  | { readonly verdict: 'authenticated'; readonly by: ClaimedBy }
  | { readonly verdict: 'noCommonVersion'; readonly message: string }
  | { readonly verdict: 'routed' | 'challenged' | 'wrongCredentials' };

/**
 * Which connection: `instanceId` is null at the shared listener. Actor ids are used again, because XState remembers
 * every event type for ever, and the id of a child is part of one.
 */
export interface ConnectionName {
  readonly instanceId: string | null;
  readonly connectionActorId: string;
}

export interface ConnectionInput extends ConnectionName {
  /** The connection ends after this many silent heartbeat intervals in a row (at least 2). */
  readonly misses: number;
}

export interface ConnectionContext extends ConnectionInput {
  readonly missed: number;
  readonly by: ClaimedBy;
  /** Why the connection ended. */
  readonly code: string;
  readonly message: string;
}

export type ConnectionEvent =
  | LinkEvent
  | DoneActorEvent<Verdict, 'authenticator'>
  | { type: 'session.granted' }
  | { type: 'session.denied'; because: Denial }
  | { type: 'session.replaced' }
  | { type: 'probe' }
  | { type: 'askToEnd'; grace: number };

/** Why a claim is denied. `claimed`: a live connection holds the session. `refused`: the token is spent. */
export type Denial = 'claimed' | 'refused';

/** What a connection reports to its parent. */
export type ConnectionReport =
  | { type: 'session.claimed'; connectionActorId: string; by: ClaimedBy }
  | { type: 'session.opened'; connectionActorId: string }
  | { type: 'probe.answered'; connectionActorId: string }
  | { type: 'connection.closed'; connectionActorId: string; code: string; message: string };

function notProvided(what: string): never {
  throw new Error(`connection: ${what} was not provided`);
}

export const connectionMachine = setup({
  types: {
    input: {} as ConnectionInput,
    context: {} as ConnectionContext,
    events: {} as ConnectionEvent,
    children: {} as { link: 'link'; authenticator: 'authenticate' },
  },
  actors: {
    link: fromCallback<LinkCommand, ConnectionName, ConnectionEvent>(() => notProvided("actor 'link'")),
    authenticate: fromPromise<Verdict, ConnectionName>(() => notProvided("actor 'authenticate'")),
  },
  actions: {
    // The causes of an end.
    noteLinkClosed: assign(({ event }) => {
      assertEvent(event, 'link.closed');
      return { code: event.code, message: event.message };
    }),
    noteAuthTimeout: assign({ code: 'AUTH_TIMEOUT', message: 'did not authenticate within authTimeout' }),
    noteAuthRefused: assign({ code: 'AUTH_REFUSED', message: 'a wrong token or instance id' }),
    noteAuthenticatorFailed: assign({ code: 'INTERNAL', message: 'the authenticator failed' }),
    noteHandedOver: assign({ code: 'HANDED_OVER', message: 'handed over to its instance' }),
    noteClaimDenied: assign(({ event }) => {
      assertEvent(event, 'session.denied');
      return event.because === 'refused'
        ? { code: 'AUTH_REFUSED', message: 'the token is spent: only the key of the running epoch opens the session' }
        : { code: 'ALREADY_CLAIMED', message: 'a live session holds the instance' };
    }),
    noteReplaced: assign({ code: 'LINK_LOST', message: 'replaced by a new connection of the same agent' }),
    noteVersionMismatch: assign(({ event }) => {
      assertEvent(event, 'xstate.done.actor.authenticator');
      return { code: 'VERSION_MISMATCH', message: event.output.verdict === 'noCommonVersion' ? event.output.message : '' };
    }),
    noteHeartbeatLost: assign({ code: 'HEARTBEAT_LOST', message: 'heartbeats were not answered' }),
    noteReplacedSilent: assign({ code: 'HEARTBEAT_LOST', message: 'replaced while it was silent' }),
    noteReplacedPaused: assign({ code: 'LINK_LOST', message: 'replaced while its reading was paused' }),
    noteProbeFailed: assign({ code: 'LINK_LOST', message: 'replaced: it did not answer a probe' }),
    noteClaim: assign(({ context, event }) => {
      assertEvent(event, 'xstate.done.actor.authenticator');
      return { by: event.output.verdict === 'authenticated' ? event.output.by : context.by };
    }),
    countMiss: assign({ missed: ({ context }) => context.missed + 1 }),
    clearMisses: assign({ missed: 0 }),

    // Commands to the link.
    checkLink: sendTo('link', { type: 'check' }),
    sendHeartbeat: sendTo('link', { type: 'heartbeat' }),
    sendChallenge: sendTo('link', { type: 'challenge' }),
    welcome: sendTo('link', { type: 'welcome' }),
    terminate: sendTo('link', ({ event }) => {
      assertEvent(event, 'askToEnd');
      return { type: 'terminate' as const, grace: event.grace };
    }),

    // Reports to the session.
    claimSession: sendParent(({ context }) => ({ type: 'session.claimed', connectionActorId: context.connectionActorId, by: context.by })),
    announceSession: sendParent(({ context }) => ({ type: 'session.opened', connectionActorId: context.connectionActorId })),
    announceAnswer: sendParent(({ context }) => ({ type: 'probe.answered', connectionActorId: context.connectionActorId })),
    announceEnd: sendParent(({ context }) => ({
      type: 'connection.closed',
      connectionActorId: context.connectionActorId,
      code: context.code,
      message: context.message,
    })),

    // The last messages of a connection. They are provided actions: a command would reach the link actor only after it
    // has been disposed.
    refuse: (_, _params: { because: 'refused' | 'claimed' | 'version' }) => notProvided("action 'refuse'"),
    sendError: () => notProvided("action 'sendError'"),
    handOver: () => notProvided("action 'handOver'"),
    reportEnd: () => notProvided("action 'reportEnd'"),
  },
  guards: {
    isAuthenticated: ({ event }) => {
      assertEvent(event, 'xstate.done.actor.authenticator');
      return event.output.verdict === 'authenticated';
    },
    isRouted: ({ event }) => {
      assertEvent(event, 'xstate.done.actor.authenticator');
      return event.output.verdict === 'routed';
    },
    isChallenged: ({ event }) => {
      assertEvent(event, 'xstate.done.actor.authenticator');
      return event.output.verdict === 'challenged';
    },
    hasNoCommonVersion: ({ event }) => {
      assertEvent(event, 'xstate.done.actor.authenticator');
      return event.output.verdict === 'noCommonVersion';
    },
    // The link reports a silence only after its second interval. So the first one is added here, and two are the least.
    missedTooMany: ({ context }) => context.missed + 1 >= context.misses,
    isPaused: stateIn({ ready: { reading: 'paused' } }),
  },
  // How long each takes is known to src/connection/wiring.ts alone.
  delays: {
    authTimeout: () => notProvided("delay 'authTimeout'"),
    heartbeat: () => notProvided("delay 'heartbeat'"),
    finalCheck: () => notProvided("delay 'finalCheck'"),
    probe: () => notProvided("delay 'probe'"),
  },
}).createMachine({
  id: 'connection',
  description: 'One socket, from its first byte to its last. A reconnect is a new connection.',
  context: ({ input }) => ({
    instanceId: input.instanceId,
    connectionActorId: input.connectionActorId,
    misses: input.misses,
    missed: 0,
    by: 'v1',
    code: 'LINK_LOST',
    message: '',
  }),
  invoke: {
    id: 'link',
    src: 'link',
    input: ({ context }) => ({ instanceId: context.instanceId, connectionActorId: context.connectionActorId }),
  },
  initial: 'authenticating',
  on: {
    'link.closed': { target: '.stopped', actions: ['noteLinkClosed', 'sendError'] },
    'session.replaced': { target: '.stopped', actions: 'noteReplaced' },
  },
  states: {
    authenticating: {
      description: 'A socket is open. The whole authentication has to end within one time, however slow each step of it is.',
      initial: 'accepted',
      after: { authTimeout: { target: 'stopped', actions: 'noteAuthTimeout' } },
      states: {
        accepted: {
          description: 'The other end has to send an AuthRequest.',
          on: { 'auth.received': 'verifying' },
        },
        verifying: {
          description: 'A whole AuthRequest has arrived. Instance id and token, or the proof of wire v2, are compared in constant time.',
          invoke: {
            id: 'authenticator',
            src: 'authenticate',
            input: ({ context }) => ({ instanceId: context.instanceId, connectionActorId: context.connectionActorId }),
            onDone: [
              { guard: 'isAuthenticated', target: 'claiming', actions: 'noteClaim' },
              { guard: 'isChallenged', target: 'proving', actions: 'sendChallenge' },
              { guard: 'isRouted', target: '#connection.stopped', actions: ['handOver', 'noteHandedOver'] },
              {
                guard: 'hasNoCommonVersion',
                target: '#connection.stopped',
                actions: [{ type: 'refuse', params: { because: 'version' } }, 'noteVersionMismatch'],
              },
              {
                target: '#connection.stopped',
                actions: [{ type: 'refuse', params: { because: 'refused' } }, 'noteAuthRefused'],
              },
            ],
            onError: {
              target: '#connection.stopped',
              actions: [{ type: 'refuse', params: { because: 'refused' } }, 'noteAuthenticatorFailed'],
            },
          },
        },
        proving: {
          description: 'The host has proved to the agent that it knows the token, and waits for the proof of the agent.',
          on: { 'proof.received': 'verifying' },
        },
        claiming: {
          description: 'The agent is genuine. The session grants its claim, unless another live connection holds it.',
          entry: 'claimSession',
          on: {
            'session.granted': { target: 'welcomed', actions: 'welcome' },
            'session.denied': {
              target: '#connection.stopped',
              actions: [{ type: 'refuse', params: ({ event }) => ({ because: event.because }) }, 'noteClaimDenied'],
            },
          },
        },
        welcomed: {
          description: 'The host has told the agent that it has the session. On wire v2 the agent has to use it first.',
          on: { 'session.used': '#connection.ready' },
        },
      },
    },
    ready: {
      description: 'The session is open. Requests and responses do not pass through this chart.',
      entry: 'announceSession',
      type: 'parallel',
      on: { askToEnd: { target: 'draining', actions: 'terminate' } },
      states: {
        heartbeat: {
          description: 'The host checks that the agent is alive.',
          initial: 'idle',
          states: {
            idle: {
              description: 'Something arrived within the last two heartbeat intervals. The link sends the first heartbeat of a silence.',
              on: {
                'link.silent': { target: 'awaiting', actions: ['countMiss', 'sendHeartbeat'] },
                probe: [
                  { guard: 'isPaused', target: '#connection.stopped', actions: 'noteReplacedPaused' },
                  { target: 'probed', actions: 'sendHeartbeat' },
                ],
              },
            },
            awaiting: {
              description: 'A heartbeat was missed, and another one is out. Any bytes that arrive count as an answer.',
              always: { guard: 'missedTooMany', target: 'suspect' },
              on: {
                'link.heard': { target: 'idle', actions: 'clearMisses' },
                'link.silent': { target: 'awaiting', reenter: true, actions: ['countMiss', 'sendHeartbeat'] },
                probe: { target: 'probed', actions: 'sendHeartbeat' },
              },
              after: { heartbeat: { actions: 'checkLink' } },
            },
            suspect: {
              description:
                'Too many heartbeats are unanswered. The host reads what has arrived, then checks once more: the host may be slow.',
              on: {
                'link.heard': { target: 'idle', actions: 'clearMisses' },
                'link.silent': { target: '#connection.stopped', actions: 'noteHeartbeatLost' },
                probe: { target: '#connection.stopped', actions: 'noteReplacedSilent' },
              },
              after: { finalCheck: { actions: 'checkLink' } },
            },
            probed: {
              description: 'Another connection has the right token. This connection has to answer a heartbeat, or it is replaced.',
              on: { 'link.answered': { target: 'idle', actions: ['clearMisses', 'announceAnswer'] } },
              after: { probe: { target: '#connection.stopped', actions: 'noteProbeFailed' } },
            },
          },
        },
        reading: {
          description: 'The host reads from the socket, or has paused reading.',
          initial: 'flowing',
          states: {
            flowing: { description: 'The host reads bytes as they arrive.', on: { 'reading.paused': 'paused' } },
            paused: {
              description: 'A slow reader of updates has paused the socket. Such a pause does not count as silence of the agent.',
              on: { 'reading.resumed': 'flowing' },
            },
          },
        },
      },
    },
    draining: {
      description: 'The host has asked the agent to end. Responses that still arrive count.',
    },
    stopped: {
      description: 'The socket is closed.',
      type: 'final',
      entry: ['reportEnd', 'announceEnd'],
    },
  },
});
