// The parent of all instances, as a chart: it starts them, so many at once, forgets them when they end, and stops them all.
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
import { type InstanceInput, type InstanceReport, instanceMachine } from './instance.ts';

export interface SupervisorInput {
  readonly maxConcurrentStarts: number;
}

export type SupervisorEvent =
  | InstanceReport
  | ConnectionReport
  | { type: 'socket.accepted'; connectionId: string }
  | DoneActorEvent
  | ErrorActorEvent
  | { type: 'start'; instance: InstanceInput }
  | { type: 'stop'; grace: number };

export interface SupervisorContext extends SupervisorInput {
  /** By their places, in the order of their start. */
  readonly instances: readonly string[];
  /** Those that hold one of the places for starting. */
  readonly starting: readonly string[];
  /** Those that wait for such a place, first come first served. */
  readonly waiting: readonly string[];
}

export const supervisorMachine = setup({
  types: {
    input: {} as SupervisorInput,
    context: {} as SupervisorContext,
    events: {} as SupervisorEvent,
    children: {} as { reception: 'reception'; [id: string]: 'instance' | 'connection' | 'reception' },
  },
  actors: {
    instance: instanceMachine,
    connection: connectionMachine,
    // The shared listener, where there is one. Who connects to it is led to its instance once it has shown its token.
    reception: fromCallback<EventObject, unknown, SupervisorEvent>(() => {
      throw new Error("supervisor: actor 'reception' was not provided");
    }),
  },
  actions: {
    noteInstance: assign(({ context }, params: { place: string }) => ({ instances: [...context.instances, params.place] })),
    takePlace: assign(({ context }, params: { place: string }) => ({ starting: [...context.starting, params.place] })),
    queue: assign(({ context }, params: { place: string }) => ({ waiting: [...context.waiting, params.place] })),
    freePlace: assign(({ context }, params: { place: string }) => ({
      starting: context.starting.filter(each => each !== params.place),
      waiting: context.waiting.filter(each => each !== params.place),
    })),
    passPlaceOn: assign(({ context }, params: { place: string }) => ({
      starting: [...context.starting.filter(each => each !== params.place), context.waiting[0] ?? ''],
      waiting: context.waiting.slice(1),
    })),
    forgetInstance: assign(({ context }, params: { place: string }) => ({
      instances: context.instances.filter(each => each !== params.place),
    })),
    // The one that was noted last.
    spawnInstance: spawnChild('instance', {
      id: ({ context }) => context.instances.at(-1) ?? '',
      input: ({ event }) => {
        assertEvent(event, 'start');
        return event.instance;
      },
    }),
    spawnConnection: spawnChild('connection', {
      id: ({ event }) => {
        assertEvent(event, 'socket.accepted');
        return event.connectionId;
      },
      input: ({ event }) => {
        assertEvent(event, 'socket.accepted');
        return { instanceId: null, connectionId: event.connectionId, misses: 1 };
      },
    }),
    grantStart: sendTo((_, params: { place: string }) => params.place, { type: 'start.granted' }),
    stopInstance: stopChild((_, params: { place: string }) => params.place),
    // Provided: what XState does not do for us. Every instance is told to stop, the youngest first.
    stopInstances: (_, _params: { grace: number }) => {},
    // Provided: the place may be given to another.
    releasePlace: (_, _params: { place: string }) => {},
    // Provided: an instance that failed inside itself leaves its process and sockets to be cleared away.
    abandonInstance: (_, _params: { place: string; error: unknown }) => {},
  },
  guards: {
    hasPlace: ({ context }) => context.starting.length < context.maxConcurrentStarts,
    isAwaited: ({ context }, params: { place: string }) => context.starting.includes(params.place) && context.waiting.length > 0,
    isEmpty: ({ context }) => context.instances.length === 0,
  },
}).createMachine({
  id: 'supervisor',
  description: 'The parent of all instances of one spearlet.',
  context: ({ input }) => ({ maxConcurrentStarts: input.maxConcurrentStarts, instances: [], starting: [], waiting: [] }),
  initial: 'running',
  invoke: { id: 'reception', src: 'reception' },
  on: {
    'socket.accepted': { actions: 'spawnConnection' },
    'instance.queued': [
      {
        guard: 'hasPlace',
        actions: [
          { type: 'takePlace', params: ({ event }) => ({ place: event.place }) },
          { type: 'grantStart', params: ({ event }) => ({ place: event.place }) },
        ],
      },
      { actions: { type: 'queue', params: ({ event }) => ({ place: event.place }) } },
    ],
    'instance.settled': [
      {
        guard: { type: 'isAwaited', params: ({ event }) => ({ place: event.place }) },
        actions: [
          { type: 'grantStart', params: ({ context }) => ({ place: context.waiting[0] ?? '' }) },
          { type: 'passPlaceOn', params: ({ event }) => ({ place: event.place }) },
        ],
      },
      { actions: { type: 'freePlace', params: ({ event }) => ({ place: event.place }) } },
    ],
    'xstate.done.actor.*': [
      {
        guard: { type: 'isAwaited', params: ({ event }) => ({ place: event.actorId }) },
        actions: [
          { type: 'grantStart', params: ({ context }) => ({ place: context.waiting[0] ?? '' }) },
          { type: 'passPlaceOn', params: ({ event }) => ({ place: event.actorId }) },
          { type: 'forgetInstance', params: ({ event }) => ({ place: event.actorId }) },
          { type: 'stopInstance', params: ({ event }) => ({ place: event.actorId }) },
          { type: 'releasePlace', params: ({ event }) => ({ place: event.actorId }) },
        ],
      },
      {
        actions: [
          { type: 'freePlace', params: ({ event }) => ({ place: event.actorId }) },
          { type: 'forgetInstance', params: ({ event }) => ({ place: event.actorId }) },
          { type: 'stopInstance', params: ({ event }) => ({ place: event.actorId }) },
          { type: 'releasePlace', params: ({ event }) => ({ place: event.actorId }) },
        ],
      },
    ],
    'xstate.error.actor.*': {
      actions: [
        { type: 'abandonInstance', params: ({ event }) => ({ place: event.actorId, error: event.error }) },
        { type: 'freePlace', params: ({ event }) => ({ place: event.actorId }) },
        { type: 'forgetInstance', params: ({ event }) => ({ place: event.actorId }) },
        { type: 'stopInstance', params: ({ event }) => ({ place: event.actorId }) },
        { type: 'releasePlace', params: ({ event }) => ({ place: event.actorId }) },
      ],
    },
  },
  states: {
    running: {
      description: 'Instances are started on request and forgotten when they end.',
      on: {
        start: {
          actions: [{ type: 'noteInstance', params: ({ event }) => ({ place: event.instance.place }) }, 'spawnInstance'],
        },
        stop: { target: 'stopping', actions: { type: 'stopInstances', params: ({ event }) => ({ grace: event.grace }) } },
      },
    },
    stopping: {
      description: 'Nothing new is started. Every instance climbs its own ladder.',
      on: { stop: { actions: { type: 'stopInstances', params: ({ event }) => ({ grace: event.grace }) } } },
      always: { guard: 'isEmpty', target: 'stopped' },
    },
    stopped: {
      description: 'No instance is left.',
      type: 'final',
    },
  },
});
