// The parent of all instances, as a chart: it starts instances within a limit, forgets those that have ended, and stops
// all of them. It also owns the connections of the shared listener until they are handed over.
import {
  assertEvent,
  assign,
  type DoneActorEvent,
  type ErrorActorEvent,
  type EventObject,
  fromCallback,
  sendTo,
  setup,
  spawnChild,
  stopChild,
} from 'xstate';
import { type ConnectionReport, connectionMachine } from './connection.ts';
import { instanceMachine } from './instance.ts';
import type { InstanceInput, InstanceReport } from './instance-types.ts';

export interface SupervisorInput {
  readonly maxConcurrentStarts: number;
}

export type SupervisorEvent =
  | InstanceReport
  | ConnectionReport
  | { type: 'socket.accepted'; connectionActorId: string }
  | DoneActorEvent
  | ErrorActorEvent
  | { type: 'start'; instance: InstanceInput }
  /** `grace`: null for that of each instance. */
  | { type: 'stop'; grace: number | null };

/** An instance that starts a program: for the first time, or again after it was ready. Each kind has start slots of its own. */
export interface StartRequest {
  readonly actorId: string;
  readonly restart: boolean;
}

/** Instances are listed by actor id. */
export interface SupervisorContext extends SupervisorInput {
  /** All instances, in the order of their start. */
  readonly instances: readonly string[];
  /** Those that hold a start slot. There are `maxConcurrentStarts` slots for first starts, and as many for restarts. */
  readonly starting: readonly StartRequest[];
  /** Those that wait for a start slot, first come first served among each kind. */
  readonly waiting: readonly StartRequest[];
}

/** The first one that waits and whose kind has a free slot. */
function nextStart({ maxConcurrentStarts, starting, waiting }: SupervisorContext): StartRequest | undefined {
  if (waiting.length === 0) return undefined;
  const restarts = starting.filter(({ restart }) => restart).length;
  const canRestart = restarts < maxConcurrentStarts;
  const canStart = starting.length - restarts < maxConcurrentStarts;
  return waiting.find(({ restart }) => (restart ? canRestart : canStart));
}

/** The instance, or the unrouted connection, that an event is about. */
function childOf(event: SupervisorEvent): string {
  assertEvent(event, ['start', 'startSlot.requested', 'startSlot.released', 'xstate.done.actor.*', 'xstate.error.actor.*']);
  return event.type === 'start' ? event.instance.actorId : event.actorId;
}

/** The connection that an event is about. */
function connectionOf(event: SupervisorEvent): string {
  assertEvent(event, 'socket.accepted');
  return event.connectionActorId;
}

function notProvided(what: string): never {
  throw new Error(`supervisor: ${what} was not provided`);
}

export const supervisorMachine = setup({
  types: {
    input: {} as SupervisorInput,
    context: {} as SupervisorContext,
    events: {} as SupervisorEvent,
    children: {} as { sharedListener: 'sharedListener'; [id: string]: 'instance' | 'connection' | 'sharedListener' },
  },
  actors: {
    instance: instanceMachine,
    connection: connectionMachine,
    sharedListener: fromCallback<EventObject, unknown, SupervisorEvent>(() => notProvided("actor 'sharedListener'")),
  },
  actions: {
    noteInstance: assign(({ context, event }) => ({ instances: [...context.instances, childOf(event)] })),
    spawnInstance: spawnChild('instance', {
      id: ({ event }) => childOf(event),
      input: ({ event }) => {
        assertEvent(event, 'start');
        return event.instance;
      },
    }),
    queueForStart: assign(({ context, event }) => {
      assertEvent(event, 'startSlot.requested');
      return { waiting: [...context.waiting, { actorId: event.actorId, restart: event.restart }] };
    }),
    acquireStartSlot: assign(({ context }) => {
      const next = nextStart(context);
      return {
        starting: next === undefined ? context.starting : [...context.starting, next],
        waiting: context.waiting.filter(each => each !== next),
      };
    }),
    // To the instance that has acquired its slot last.
    grantStart: sendTo(({ context }) => context.starting.at(-1)?.actorId ?? '', { type: 'start.granted' }),
    releaseStartSlot: assign(({ context, event }) => {
      const released = childOf(event);
      return {
        starting: context.starting.filter(each => each.actorId !== released),
        waiting: context.waiting.filter(each => each.actorId !== released),
      };
    }),
    forgetInstance: assign(({ context, event }) => {
      const forgotten = childOf(event);
      return { instances: context.instances.filter(each => each !== forgotten) };
    }),
    // A child that has ended stays among the children until it is stopped.
    stopActor: stopChild(({ event }) => childOf(event)),
    spawnConnection: spawnChild('connection', {
      id: ({ event }) => connectionOf(event),
      // A connection without a session sends no heartbeats: `misses` has no effect.
      input: ({ event }) => ({ instanceId: null, connectionActorId: connectionOf(event), misses: 1 }),
    }),

    // Provided by src/supervisor/wiring.ts. XState stops no child gracefully: every instance gets a stop, the youngest first.
    stopInstances: (_, _params: { grace: number | null }) => notProvided("action 'stopInstances'"),
    // The actor id may be given to another instance.
    releaseActorId: (_, _params: { actorId: string }) => notProvided("action 'releaseActorId'"),
    // An instance whose chart failed cannot dispose its process and sockets itself.
    abandonInstance: (_, _params: { actorId: string; error: unknown }) => notProvided("action 'abandonInstance'"),
  },
  guards: {
    canStartNext: ({ context }) => nextStart(context) !== undefined,
    isEmpty: ({ context }) => context.instances.length === 0,
  },
}).createMachine({
  id: 'supervisor',
  description: 'The parent of all instances of one spearlet.',
  context: ({ input }) => ({ maxConcurrentStarts: input.maxConcurrentStarts, instances: [], starting: [], waiting: [] }),
  initial: 'running',
  invoke: { id: 'sharedListener', src: 'sharedListener' },
  always: { guard: 'canStartNext', actions: ['acquireStartSlot', 'grantStart'] },
  on: {
    'socket.accepted': { actions: 'spawnConnection' },
    'startSlot.requested': { actions: 'queueForStart' },
    'startSlot.released': { actions: 'releaseStartSlot' },
    'xstate.done.actor.*': {
      actions: ['releaseStartSlot', 'forgetInstance', 'stopActor', { type: 'releaseActorId', params: ({ event }) => event }],
    },
    'xstate.error.actor.*': {
      actions: [
        { type: 'abandonInstance', params: ({ event }) => event },
        'releaseStartSlot',
        'forgetInstance',
        'stopActor',
        { type: 'releaseActorId', params: ({ event }) => event },
      ],
    },
  },
  states: {
    running: {
      description: 'Instances are started on request and forgotten when they have ended.',
      on: {
        start: { actions: ['noteInstance', 'spawnInstance'] },
        stop: { target: 'stopping', actions: { type: 'stopInstances', params: ({ event }) => event } },
      },
    },
    stopping: {
      description: 'No instance is started any more. Every instance ends within the grace of the stop, or its own.',
      on: { stop: { actions: { type: 'stopInstances', params: ({ event }) => event } } },
      always: { guard: 'isEmpty', target: 'stopped' },
    },
    stopped: {
      description: 'All instances have ended.',
      type: 'final',
    },
  },
});
