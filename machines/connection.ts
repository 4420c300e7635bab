// One socket from its first byte to its last, as a chart. Who is at the other end, and whether it still is. It knows
// neither sockets nor frames: every effect is provided by src/runtime/wiring.ts.
import { assign, fromCallback, fromPromise, sendParent, sendTo, setup, stateIn } from 'xstate';

/** What the link actor is told to do. */
export type LinkCommand = { type: 'look' } | { type: 'beat' } | { type: 'welcome' } | { type: 'terminate'; grace: number };

/** What the link actor reports. */
export type LinkEvent =
  | { type: 'auth.received' }
  | { type: 'link.heard' }
  | { type: 'link.silent' }
  | { type: 'link.answered' }
  | { type: 'reading.paused' }
  | { type: 'reading.resumed' }
  | { type: 'link.closed'; code: string; message: string };

/** `genuine`: the program that was given the token; `elsewhere`: genuine, but of an instance that this listener only leads to. */
export type Verdict = 'genuine' | 'elsewhere' | 'foreign';

/** Whose connection: null where it came in by the shared listener. Connection ids are used again; XState keeps what it
 * learns of an event type for ever, and a child's id is part of one. */
export interface ConnectionName {
  readonly instanceId: string | null;
  readonly connectionId: string;
}

export type ConnectionEvent =
  | LinkEvent
  | { type: 'session.granted' }
  | { type: 'session.denied' }
  | { type: 'probe' }
  | { type: 'drain'; grace: number };

/** What a connection reports to the instance that owns it. */
export type ConnectionReport =
  | { type: 'session.claimed'; connectionId: string }
  | { type: 'session.opened'; connectionId: string }
  | { type: 'session.confirmed'; connectionId: string }
  | { type: 'connection.closed'; connectionId: string; code: string; message: string };

export const connectionMachine = setup({
  types: {
    input: {} as { instanceId: string | null; connectionId: string; misses: number },
    context: {} as { instanceId: string | null; connectionId: string; misses: number; missed: number; code: string; message: string },
    events: {} as ConnectionEvent,
    children: {} as { link: 'link'; authenticator: 'authenticate' },
  },
  actors: {
    link: fromCallback<LinkCommand, ConnectionName, ConnectionEvent>(() => {
      throw new Error("connection: actor 'link' was not provided");
    }),
    authenticate: fromPromise<{ verdict: Verdict }, ConnectionName>(() => {
      throw new Error("connection: actor 'authenticate' was not provided");
    }),
  },
  actions: {
    noteEnd: assign((_, params: { code: string; message: string }) => params),
    countMiss: assign({ missed: ({ context }) => context.missed + 1 }),
    clearMisses: assign({ missed: 0 }),
    look: sendTo('link', { type: 'look' }),
    beat: sendTo('link', { type: 'beat' }),
    welcome: sendTo('link', { type: 'welcome' }),
    terminate: sendTo('link', (_, params: { grace: number }) => ({ type: 'terminate' as const, grace: params.grace })),
    // Last words, provided: a command would reach the link actor only after it has been disposed.
    refuse: (_, _params: { because: 'refused' | 'claimed' }) => {},
    complain: (_, _params: { code: string; message: string }) => {},
    handOver: () => {},
    reportEnd: () => {},
    claimSession: sendParent(({ context }) => ({ type: 'session.claimed', connectionId: context.connectionId })),
    announceSession: sendParent(({ context }) => ({ type: 'session.opened', connectionId: context.connectionId })),
    confirmSession: sendParent(({ context }) => ({ type: 'session.confirmed', connectionId: context.connectionId })),
    announceEnd: sendParent(({ context }) => ({
      type: 'connection.closed',
      connectionId: context.connectionId,
      code: context.code,
      message: context.message,
    })),
  },
  guards: {
    isGenuine: (_, params: { verdict: Verdict }) => params.verdict === 'genuine',
    isElsewhere: (_, params: { verdict: Verdict }) => params.verdict === 'elsewhere',
    // The silence before the first heartbeat counts as the first miss: `misses` intervals of silence are the end.
    missedTooMany: ({ context }) => context.missed + 2 >= context.misses,
    isPaused: stateIn({ ready: { reading: 'paused' } }),
  },
  delays: { authTimeout: 5_000, silence: 10_000, heartbeat: 10_000, lastLook: 50, probe: 1_000 },
}).createMachine({
  id: 'connection',
  description: 'One socket, from its first byte to its last. A reconnection is a new one.',
  context: ({ input }) => ({
    instanceId: input.instanceId,
    connectionId: input.connectionId,
    misses: input.misses,
    missed: 0,
    code: 'LINK_LOST',
    message: '',
  }),
  invoke: { id: 'link', src: 'link', input: ({ context }) => ({ instanceId: context.instanceId, connectionId: context.connectionId }) },
  initial: 'accepted',
  on: {
    'link.closed': {
      target: '.stopped',
      actions: [
        { type: 'noteEnd', params: ({ event }) => ({ code: event.code, message: event.message }) },
        { type: 'complain', params: ({ event }) => ({ code: event.code, message: event.message }) },
      ],
    },
  },
  states: {
    accepted: {
      description: 'A socket is open. Nothing is known of who is at its other end.',
      on: { 'auth.received': 'authenticating' },
      after: {
        authTimeout: {
          target: 'stopped',
          actions: { type: 'noteEnd', params: { code: 'AUTH_TIMEOUT', message: 'no AuthRequest within authTimeout' } },
        },
      },
    },
    authenticating: {
      description: 'A whole AuthRequest has arrived and has to be proven right.',
      initial: 'verifying',
      after: {
        authTimeout: {
          target: 'stopped',
          actions: { type: 'noteEnd', params: { code: 'AUTH_TIMEOUT', message: 'not admitted within authTimeout' } },
        },
      },
      states: {
        verifying: {
          description: 'Instance id and token are compared, in constant time.',
          invoke: {
            id: 'authenticator',
            src: 'authenticate',
            input: ({ context }) => ({ instanceId: context.instanceId, connectionId: context.connectionId }),
            onDone: [
              { guard: { type: 'isGenuine', params: ({ event }) => event.output }, target: 'claiming' },
              {
                guard: { type: 'isElsewhere', params: ({ event }) => event.output },
                target: '#connection.stopped',
                actions: ['handOver', { type: 'noteEnd', params: { code: 'HANDED_OVER', message: 'given to its instance' } }],
              },
              {
                target: '#connection.stopped',
                actions: [
                  { type: 'refuse', params: { because: 'refused' } },
                  { type: 'noteEnd', params: { code: 'AUTH_REFUSED', message: 'a wrong token or instance id' } },
                ],
              },
            ],
            onError: {
              target: '#connection.stopped',
              actions: [
                { type: 'refuse', params: { because: 'refused' } },
                { type: 'noteEnd', params: { code: 'INTERNAL', message: 'the authenticator failed' } },
              ],
            },
          },
        },
        claiming: {
          description: 'The token is right. The instance decides whether a live session stands in the way.',
          entry: 'claimSession',
          on: {
            'session.granted': { target: '#connection.ready', actions: 'welcome' },
            'session.denied': {
              target: '#connection.stopped',
              actions: [
                { type: 'refuse', params: { because: 'claimed' } },
                { type: 'noteEnd', params: { code: 'ALREADY_CLAIMED', message: 'a live session holds the instance' } },
              ],
            },
          },
        },
      },
    },
    ready: {
      description: 'The session is open: requests and answers flow past this chart.',
      entry: 'announceSession',
      type: 'parallel',
      on: { drain: { target: 'draining', actions: { type: 'terminate', params: ({ event }) => ({ grace: event.grace }) } } },
      states: {
        heartbeat: {
          description: 'Is somebody still there?',
          initial: 'resting',
          states: {
            resting: {
              description: 'Something was heard less than an interval ago.',
              on: {
                'link.heard': { target: 'resting', reenter: true },
                'link.silent': { target: 'awaiting', actions: 'beat' },
                probe: [
                  {
                    guard: 'isPaused',
                    target: '#connection.stopped',
                    actions: { type: 'noteEnd', params: { code: 'LINK_LOST', message: 'replaced while its reading was paused' } },
                  },
                  { target: 'probed', actions: 'beat' },
                ],
              },
              after: { silence: { actions: 'look' } },
            },
            awaiting: {
              description: 'A heartbeat is out. Anything at all that arrives will do for an answer.',
              on: {
                'link.heard': { target: 'resting', actions: 'clearMisses' },
                'link.silent': [
                  { guard: 'missedTooMany', target: 'suspect' },
                  { target: 'awaiting', reenter: true, actions: ['countMiss', 'beat'] },
                ],
                probe: { target: 'probed', actions: 'beat' },
              },
              after: { heartbeat: { actions: 'look' } },
            },
            suspect: {
              description: 'Silent for too long. One last look, once what has arrived meanwhile is read: it may be we who were slow.',
              on: {
                'link.heard': { target: 'resting', actions: 'clearMisses' },
                'link.silent': {
                  target: '#connection.stopped',
                  actions: { type: 'noteEnd', params: { code: 'HEARTBEAT_LOST', message: 'heartbeats were not answered' } },
                },
                probe: {
                  target: '#connection.stopped',
                  actions: { type: 'noteEnd', params: { code: 'HEARTBEAT_LOST', message: 'replaced while it was silent' } },
                },
              },
              after: { lastLook: { actions: 'look' } },
            },
            probed: {
              description: 'Somebody else has shown the token: this link has to prove now that it is alive.',
              on: { 'link.answered': { target: 'resting', actions: ['clearMisses', 'confirmSession'] } },
              after: {
                probe: {
                  target: '#connection.stopped',
                  actions: { type: 'noteEnd', params: { code: 'LINK_LOST', message: 'replaced: it did not answer a probe' } },
                },
              },
            },
          },
        },
        reading: {
          description: 'Do we read what arrives?',
          initial: 'flowing',
          states: {
            flowing: { description: 'What arrives is read at once.', on: { 'reading.paused': 'paused' } },
            paused: {
              description: 'A slow reader of ours holds the socket back. This is not silence of the other end.',
              on: { 'reading.resumed': 'flowing' },
            },
          },
        },
      },
    },
    draining: {
      description: 'The agent was told to end. What it still answers counts.',
    },
    stopped: {
      description: 'The socket is gone.',
      type: 'final',
      entry: ['reportEnd', 'announceEnd'],
    },
  },
});
