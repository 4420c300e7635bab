// The session of one incarnation with its agent, as a chart: which connection holds it, which claims are granted, and whether
// the agent resumes the running epoch or begins a new one. It spawns the connections of the incarnation.
import { assertEvent, assign, type DoneActorEvent, sendParent, sendTo, setup, spawnChild, stopChild } from 'xstate';
import { type ClaimedBy, type ConnectionReport, connectionMachine } from './connection.ts';

export interface SessionInput {
  readonly instanceId: string;
  /** The connection ends after this many silent heartbeat intervals in a row (at least 2). */
  readonly misses: number;
  /** Another program may take the place of an external one, with the same token. */
  readonly external: boolean;
}

/** A connection whose agent is genuine, and with what the agent has proved it. */
export interface Claim {
  readonly connectionActorId: string;
  readonly by: ClaimedBy;
}

export interface SessionContext extends SessionInput {
  readonly connections: readonly string[];
  /** The connection that holds the session. */
  readonly holder: string | null;
  /** Another connection that claims the session, while the holder is probed. */
  readonly claimant: Claim | null;
  /** An agent has used the session. */
  readonly used: boolean;
  /** What the next session is for the instance: a new epoch stays new until an agent has used it. */
  readonly epoch: Epoch;
}

/** `new`: the agent knows nothing of the executions that were sent before. `same`: it answers them. */
export type Epoch = 'new' | 'same';

export type SessionEvent =
  | ConnectionReport
  | DoneActorEvent
  | { type: 'accept'; connectionActorId: string }
  | { type: 'askToEnd'; grace: number }
  | { type: 'close' };

/** What a session reports to its instance. */
export type SessionReport =
  | { type: 'session.opened'; connectionActorId: string; epoch: Epoch }
  | { type: 'session.lost'; code: string }
  | { type: 'connections.none' };

/** The event as one of this type. Throws for every other type. */
function eventOf<Type extends SessionEvent['type']>(event: SessionEvent, type: Type) {
  assertEvent(event, type);
  return event;
}

/** The connection that an event is about. */
function connectionOf(event: SessionEvent): string {
  assertEvent(event, ['accept', 'session.claimed', 'session.opened', 'connection.closed']);
  return event.connectionActorId;
}

/** With what an event claims the session. */
const byOf = (event: SessionEvent): ClaimedBy => eventOf(event, 'session.claimed').by;

/** What a grant changes. An agent with the token of wire v2 begins an epoch. */
const granted = ({ epoch }: SessionContext, { connectionActorId, by }: Claim) => ({
  holder: connectionActorId,
  epoch: by === 'token' ? ('new' as const) : epoch,
});

export const sessionMachine = setup({
  types: {
    input: {} as SessionInput,
    context: {} as SessionContext,
    events: {} as SessionEvent,
    children: {} as { [connectionActorId: string]: 'connection' },
  },
  actors: { connection: connectionMachine },
  actions: {
    // Connections.
    noteConnection: assign(({ context, event }) => ({ connections: [...context.connections, connectionOf(event)] })),
    spawnConnection: spawnChild('connection', {
      id: ({ event }) => connectionOf(event),
      input: ({ context, event }) => ({ instanceId: context.instanceId, connectionActorId: connectionOf(event), misses: context.misses }),
    }),
    removeConnection: assign(({ context, event }) => {
      const closed = connectionOf(event);
      return {
        connections: context.connections.filter(each => each !== closed),
        holder: context.holder === closed ? null : context.holder,
        claimant: context.claimant?.connectionActorId === closed ? null : context.claimant,
      };
    }),
    // A child that has ended stays among the children until it is stopped.
    stopConnection: stopChild(({ event }) => connectionOf(event)),

    // Claims.
    noteHolder: assign(({ context, event }) => granted(context, eventOf(event, 'session.claimed'))),
    noteUse: assign({ used: true, epoch: 'same' }),
    grantHolder: sendTo(({ context }) => context.holder ?? '', { type: 'session.granted' }),
    replaceHolder: sendTo(({ context }) => context.holder ?? '', { type: 'session.replaced' }),
    probeHolder: sendTo(({ context }) => context.holder ?? '', { type: 'probe' }),
    askHolderToEnd: sendTo(
      ({ context }) => context.holder ?? '',
      ({ event }) => ({ type: 'askToEnd', grace: eventOf(event, 'askToEnd').grace }),
    ),
    denyClaim: sendTo(({ event }) => connectionOf(event), { type: 'session.denied', because: 'claimed' }),
    refuseClaim: sendTo(({ event }) => connectionOf(event), { type: 'session.denied', because: 'refused' }),
    noteClaimant: assign(({ event }) => {
      const { connectionActorId, by } = eventOf(event, 'session.claimed');
      return { claimant: { connectionActorId, by } };
    }),
    denyClaimant: sendTo(({ context }) => context.claimant?.connectionActorId ?? '', { type: 'session.denied', because: 'claimed' }),
    clearClaimant: assign({ claimant: null }),
    promoteClaimant: assign(({ context }) => (context.claimant === null ? {} : { ...granted(context, context.claimant), claimant: null })),

    // Reports to the instance.
    announceSession: sendParent(({ context, event }) => ({
      type: 'session.opened',
      connectionActorId: connectionOf(event),
      epoch: context.epoch,
    })),
    announceLoss: sendParent(({ event }) => ({ type: 'session.lost', code: eventOf(event, 'connection.closed').code })),
    announceReplacement: sendParent({ type: 'session.lost', code: 'LINK_LOST' }),
    announceNoConnection: sendParent({ type: 'connections.none' }),
  },
  guards: {
    isByKey: ({ event }) => byOf(event) === 'key',
    isByV1: ({ event }) => byOf(event) === 'v1',
    isTokenSpent: ({ context, event }) => context.used && !context.external && byOf(event) === 'token',
    isUsedHolder: ({ context, event }) => context.used && context.holder === connectionOf(event),
    isHolder: ({ context, event }) => context.holder === connectionOf(event),
    isClaimant: ({ context, event }) => context.claimant?.connectionActorId === connectionOf(event),
    isLastConnection: ({ context, event }) => context.connections.every(each => each === connectionOf(event)),
  },
}).createMachine({
  id: 'session',
  description: 'The session of one incarnation with its agent. It outlives its connections.',
  context: ({ input }) => ({ ...input, connections: [], holder: null, claimant: null, used: false, epoch: 'new' }),
  initial: 'idle',
  on: {
    accept: { actions: ['noteConnection', 'spawnConnection'] },
    'connection.closed': { actions: ['removeConnection', 'stopConnection'] },
    close: '.closed',
  },
  states: {
    idle: {
      description: 'No connection holds the session, and no agent has used it: every genuine agent gets it.',
      on: {
        'session.claimed': { target: 'open', actions: ['noteHolder', 'grantHolder'] },
        'connection.closed': { guard: 'isLastConnection', actions: ['removeConnection', 'stopConnection', 'announceNoConnection'] },
      },
    },
    open: {
      description: 'A connection holds the session.',
      initial: 'granted',
      states: {
        granted: {
          description: 'The agent may not know yet that it has the session: it may prove itself again, and the newest connection counts.',
          on: {
            'session.opened': { guard: 'isHolder', target: 'used', actions: ['announceSession', 'noteUse'] },
            'session.claimed': [
              { guard: 'isTokenSpent', actions: 'refuseClaim' },
              { guard: 'isByV1', actions: 'denyClaim' },
              { target: 'granted', reenter: true, actions: ['replaceHolder', 'noteHolder', 'grantHolder'] },
            ],
            'connection.closed': [
              { guard: 'isUsedHolder', target: '#session.resuming', actions: ['removeConnection', 'stopConnection'] },
              {
                guard: 'isLastConnection',
                target: '#session.idle',
                actions: ['removeConnection', 'stopConnection', 'announceNoConnection'],
              },
              { guard: 'isHolder', target: '#session.idle', actions: ['removeConnection', 'stopConnection'] },
            ],
          },
        },
        used: {
          description:
            'The agent has used the session. On wire v2 the token of a started program is spent: the resume key resumes it. A probe decides any other claim.',
          on: {
            'session.claimed': [
              {
                guard: 'isByKey',
                target: 'granted',
                actions: ['replaceHolder', 'announceReplacement', 'noteHolder', 'grantHolder'],
              },
              { guard: 'isTokenSpent', actions: 'refuseClaim' },
              { target: 'probed', actions: ['noteClaimant', 'probeHolder'] },
            ],
            'connection.closed': {
              guard: 'isHolder',
              target: '#session.resuming',
              actions: ['announceLoss', 'removeConnection', 'stopConnection'],
            },
          },
        },
        probed: {
          description: 'Another connection claims the session. The holder has to answer a heartbeat, or the claimant replaces it.',
          on: {
            'session.claimed': [
              {
                guard: 'isByKey',
                target: 'granted',
                actions: ['denyClaimant', 'clearClaimant', 'replaceHolder', 'announceReplacement', 'noteHolder', 'grantHolder'],
              },
              { guard: 'isTokenSpent', actions: 'refuseClaim' },
              { actions: 'denyClaim' },
            ],
            'probe.answered': { target: 'used', actions: ['denyClaimant', 'clearClaimant'] },
            'connection.closed': [
              {
                guard: 'isHolder',
                target: 'granted',
                actions: ['announceLoss', 'removeConnection', 'stopConnection', 'promoteClaimant', 'grantHolder'],
              },
              { guard: 'isClaimant', target: 'used', actions: ['removeConnection', 'stopConnection'] },
            ],
            close: { target: '#session.closed', actions: ['denyClaimant', 'clearClaimant'] },
          },
        },
      },
    },
    resuming: {
      description: 'The connection is lost, the epoch goes on: the agent resumes it over a new connection.',
      on: {
        'session.claimed': [
          { guard: 'isTokenSpent', actions: 'refuseClaim' },
          { target: 'open', actions: ['noteHolder', 'grantHolder'] },
        ],
      },
    },
    closed: {
      description: 'The program has to end: no claim is granted. Responses on a connection that is still open count.',
      on: {
        'session.claimed': { actions: 'denyClaim' },
        'connection.closed': { guard: 'isHolder', actions: ['announceLoss', 'removeConnection', 'stopConnection'] },
        askToEnd: { actions: 'askHolderToEnd' },
      },
    },
  },
});
