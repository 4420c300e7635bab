// One pool of instances that run the same program, as a chart: it opens, starts members as the load wants them, ends those that
// are idle, replaces those that have failed or have executed enough, and drains. Members are instances of the supervisor, so
// this chart only counts them. Executions never pass through it.
import { assertEvent, assign, raise, setup } from 'xstate';

export interface PoolInput {
  readonly poolId: string;
  readonly min: number;
  /** How many members the pool begins with: `min` and the spares. */
  readonly wanted: number;
  /** The pool is given up when more members than this have failed within the restart period, and none is left. */
  readonly intensity: number;
  /** The grace period of members that end although nobody has stopped the pool, in ms. */
  readonly grace: number;
}

export interface PoolContext extends PoolInput {
  /** Instances of the pool that have not ended: starting, serving and leaving ones. */
  readonly members: number;
  readonly starting: number;
  /** Members that take no more executions. */
  readonly leaving: number;
  /** The member that has executed enough: it serves until its replacement is ready. src/pool/members.ts names one at a time. */
  readonly due: string | null;
  /** Members that have failed within the restart period. */
  readonly failures: number;
}

/** `wanted`: how many members the load needs now, within the bounds of the pool. */
export type PoolEvent =
  | { type: 'load.rose'; wanted: number }
  | { type: 'member.ready'; instanceId: string; wanted: number }
  | { type: 'member.failed'; code: string; message: string; wanted: number }
  | { type: 'member.lost'; instanceId: string; code: string; message: string; wanted: number }
  | { type: 'member.due'; instanceId: string; wanted: number }
  | { type: 'member.retired'; instanceId: string; wanted: number }
  | { type: 'member.ended'; instanceId: string; wanted: number }
  | { type: 'work.ended' }
  | { type: 'failure.expired' }
  | { type: 'stop'; drain: boolean; grace: number };

/** Members that take executions now. */
const servingOf = ({ members, starting, leaving }: PoolContext): number => members - starting - leaving;

function wantedOf(event: PoolEvent): number {
  assertEvent(event, ['load.rose', 'member.ready', 'member.failed', 'member.lost', 'member.due', 'member.retired', 'member.ended']);
  return event.wanted;
}

function stopOf(event: PoolEvent) {
  assertEvent(event, 'stop');
  return event;
}

function notProvided(what: string): never {
  throw new Error(`pool: ${what} was not provided`);
}

export const poolMachine = setup({
  types: { input: {} as PoolInput, context: {} as PoolContext, events: {} as PoolEvent },
  actions: {
    noteWanted: assign({ wanted: ({ event }) => wantedOf(event) }),
    noteStarting: assign(({ context }) => ({ members: context.members + 1, starting: context.starting + 1 })),
    noteReady: assign(({ context }) => ({ starting: context.starting - 1 })),
    noteFailedStart: assign(({ context }) => ({ members: context.members - 1, starting: context.starting - 1 })),
    noteLost: assign(({ context, event }) => {
      assertEvent(event, 'member.lost');
      return { members: context.members - 1, due: context.due === event.instanceId ? null : context.due };
    }),
    noteDue: assign(({ event }) => {
      assertEvent(event, 'member.due');
      return { due: event.instanceId };
    }),
    noteReplaced: assign(({ context }) => ({ due: null, leaving: context.leaving + 1 })),
    noteRetired: assign(({ context }) => ({ leaving: context.leaving + 1 })),
    noteLeaverEnded: assign(({ context }) => ({ members: context.members - 1, leaving: context.leaving - 1 })),
    noteMemberEnded: assign(({ context }) => ({ members: context.members - 1 })),
    noteGrace: assign({ grace: ({ event }) => stopOf(event).grace }),
    countFailure: assign({ failures: ({ context }) => context.failures + 1 }),
    expireFailureLater: raise({ type: 'failure.expired' }, { delay: 'restartPeriod' }),
    expireFailure: assign({ failures: ({ context }) => context.failures - 1 }),

    // Provided by src/pool/wiring.ts.
    startMember: () => notProvided("action 'startMember'"),
    // It takes no more executions, and is stopped when it has none.
    retireMember: (_, _params: { instanceId: string | null }) => notProvided("action 'retireMember'"),
    // Every member that has been idle for long enough, while there are more than the load wants.
    retireIdle: () => notProvided("action 'retireIdle'"),
    announceOpen: () => notProvided("action 'announceOpen'"),
    closeIntake: () => notProvided("action 'closeIntake'"),
    // The pool ends because of its members. The last failure becomes the cause of its errors.
    adoptFailure: () => notProvided("action 'adoptFailure'"),
    announceGivenUp: () => notProvided("action 'announceGivenUp'"),
    // Executions that wait are refused, and every member is stopped.
    stopMembers: (_, _params: { grace: number }) => notProvided("action 'stopMembers'"),
  },
  guards: {
    needsMember: ({ context }) => context.members - context.leaving - (context.due === null ? 0 : 1) < context.wanted,
    hasMin: ({ context }) => servingOf(context) >= context.min,
    isAboveMin: ({ context }) => context.starting === 0 && servingOf(context) > context.min,
    isSettled: ({ context }) => context.starting === 0,
    isAtMin: ({ context }) => servingOf(context) <= context.min,
    hasDue: ({ context }) => context.due !== null,
    // Of the members that could still serve, the one that has failed now was the last.
    failedTooOften: ({ context }) => context.failures >= context.intensity && context.members - context.leaving <= 1,
    isDrain: ({ event }) => stopOf(event).drain,
    isEmpty: ({ context }) => context.members === 0,
  },
  // How long each takes is known to src/pool/wiring.ts alone.
  delays: {
    idleTime: () => notProvided("delay 'idleTime'"),
    startBackoff: () => notProvided("delay 'startBackoff'"),
    restartPeriod: () => notProvided("delay 'restartPeriod'"),
  },
}).createMachine({
  id: 'pool',
  description: 'One pool: instances of one program that share the executions of their callers.',
  context: ({ input }) => ({ ...input, members: 0, starting: 0, leaving: 0, due: null, failures: 0 }),
  initial: 'running',
  on: { 'failure.expired': { actions: 'expireFailure' } },
  states: {
    running: {
      description: 'The pool executes. Its members and its intake are decided apart from each other.',
      type: 'parallel',
      on: { stop: { target: 'stopping', actions: 'noteGrace' } },
      states: {
        members: {
          description: 'How many members there are, and how many the load wants.',
          initial: 'opening',
          on: {
            'load.rose': { actions: 'noteWanted' },
            'member.ready': [
              {
                guard: 'hasDue',
                actions: [
                  'noteReady',
                  'noteWanted',
                  { type: 'retireMember', params: ({ context }) => ({ instanceId: context.due }) },
                  'noteReplaced',
                ],
              },
              { actions: ['noteReady', 'noteWanted'] },
            ],
            'member.due': { actions: ['noteDue', 'noteWanted'] },
            'member.retired': { actions: ['noteRetired', 'noteWanted'] },
            'member.ended': { actions: ['noteLeaverEnded', 'noteWanted'] },
            'member.failed': [
              { guard: 'failedTooOften', target: '#pool.stopping', actions: ['noteFailedStart', 'adoptFailure', 'announceGivenUp'] },
              { target: '.backoff', actions: ['noteFailedStart', 'noteWanted', 'countFailure', 'expireFailureLater'] },
            ],
            'member.lost': [
              { guard: 'failedTooOften', target: '#pool.stopping', actions: ['noteLost', 'adoptFailure', 'announceGivenUp'] },
              { target: '.backoff', actions: ['noteLost', 'noteWanted', 'countFailure', 'expireFailureLater'] },
            ],
          },
          states: {
            opening: {
              description: 'The first members start. If one of them fails, the pool has failed.',
              on: {
                'member.failed': { target: '#pool.stopping', actions: ['noteFailedStart', 'adoptFailure'] },
                'member.lost': { target: '#pool.stopping', actions: ['noteLost', 'adoptFailure'] },
              },
              always: [
                { guard: 'needsMember', actions: ['noteStarting', 'startMember'] },
                { guard: 'hasMin', target: 'growing', actions: 'announceOpen' },
              ],
            },
            growing: {
              description: 'Members start, because the load wants more, or a member has failed or has executed enough.',
              always: [
                { guard: 'needsMember', actions: ['noteStarting', 'startMember'] },
                { guard: 'isAboveMin', target: 'grown' },
                { guard: 'isSettled', target: 'steady' },
              ],
            },
            steady: {
              description: 'There are as many members as wanted, and not more than `min`.',
              always: { guard: 'needsMember', target: 'growing' },
            },
            grown: {
              description: 'There are more members than `min`. A member that is idle for `idle` ms ends.',
              always: [
                { guard: 'needsMember', target: 'growing' },
                { guard: 'isAtMin', target: 'steady' },
              ],
              after: { idleTime: { target: 'grown', reenter: true, actions: 'retireIdle' } },
            },
            backoff: {
              description:
                'A member has failed. The pool waits before it starts the next one. The bound of the wait doubles with each failure.',
              after: { startBackoff: 'growing' },
            },
          },
        },
        intake: {
          description: 'Whether the pool takes executions.',
          initial: 'accepting',
          states: {
            accepting: {
              description: 'Executions are taken, and wait where no member is free.',
              on: { stop: { guard: 'isDrain', target: 'draining', actions: 'noteGrace' } },
            },
            draining: {
              description: 'No execution is taken any more. Those that were taken are finished.',
              entry: 'closeIntake',
              on: {
                'work.ended': '#pool.stopping',
                stop: { guard: 'isDrain', actions: 'noteGrace' },
              },
            },
          },
        },
      },
    },
    stopping: {
      description: 'Every member ends within its grace period. Executions that no member has taken are refused.',
      entry: { type: 'stopMembers', params: ({ context }) => ({ grace: context.grace }) },
      on: {
        'member.failed': { actions: 'noteFailedStart' },
        'member.ended': { actions: 'noteMemberEnded' },
        stop: { actions: ['noteGrace', { type: 'stopMembers', params: ({ context }) => ({ grace: context.grace }) }] },
      },
      always: { guard: 'isEmpty', target: 'stopped' },
    },
    stopped: {
      description: 'All members have ended.',
      type: 'final',
    },
  },
});
