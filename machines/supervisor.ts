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
  /** In the order of their start. */
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
    noteInstance: assign(({ context }, params: { instanceId: string }) => ({ instances: [...context.instances, params.instanceId] })),
    takePlace: assign(({ context }, params: { instanceId: string }) => ({ starting: [...context.starting, params.instanceId] })),
    queue: assign(({ context }, params: { instanceId: string }) => ({ waiting: [...context.waiting, params.instanceId] })),
    freePlace: assign(({ context }, params: { instanceId: string }) => ({
      starting: context.starting.filter(each => each !== params.instanceId),
      waiting: context.waiting.filter(each => each !== params.instanceId),
    })),
    passPlaceOn: assign(({ context }, params: { instanceId: string }) => ({
      starting: [...context.starting.filter(each => each !== params.instanceId), context.waiting[0] ?? ''],
      waiting: context.waiting.slice(1),
    })),
    forgetInstance: assign(({ context }, params: { instanceId: string }) => ({
      instances: context.instances.filter(each => each !== params.instanceId),
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
        return { connectionId: event.connectionId, misses: 1 };
      },
    }),
    grantStart: sendTo((_, params: { instanceId: string }) => params.instanceId, { type: 'start.granted' }),
    stopInstance: stopChild((_, params: { instanceId: string }) => params.instanceId),
    // Provided: what XState does not do for us. Every instance is told to stop, the youngest first.
    stopInstances: (_, _params: { grace: number }) => {},
    // Provided: an instance that failed inside itself leaves its process and sockets to be cleared away.
    abandonInstance: (_, _params: { instanceId: string; error: unknown }) => {},
  },
  guards: {
    hasPlace: ({ context }) => context.starting.length < context.maxConcurrentStarts,
    isAwaited: ({ context }, params: { instanceId: string }) => context.starting.includes(params.instanceId) && context.waiting.length > 0,
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
          { type: 'takePlace', params: ({ event }) => ({ instanceId: event.instanceId }) },
          { type: 'grantStart', params: ({ event }) => ({ instanceId: event.instanceId }) },
        ],
      },
      { actions: { type: 'queue', params: ({ event }) => ({ instanceId: event.instanceId }) } },
    ],
    'instance.settled': [
      {
        guard: { type: 'isAwaited', params: ({ event }) => ({ instanceId: event.instanceId }) },
        actions: [
          { type: 'grantStart', params: ({ context }) => ({ instanceId: context.waiting[0] ?? '' }) },
          { type: 'passPlaceOn', params: ({ event }) => ({ instanceId: event.instanceId }) },
        ],
      },
      { actions: { type: 'freePlace', params: ({ event }) => ({ instanceId: event.instanceId }) } },
    ],
    'xstate.done.actor.*': [
      {
        guard: { type: 'isAwaited', params: ({ event }) => ({ instanceId: event.actorId }) },
        actions: [
          { type: 'grantStart', params: ({ context }) => ({ instanceId: context.waiting[0] ?? '' }) },
          { type: 'passPlaceOn', params: ({ event }) => ({ instanceId: event.actorId }) },
          { type: 'forgetInstance', params: ({ event }) => ({ instanceId: event.actorId }) },
          { type: 'stopInstance', params: ({ event }) => ({ instanceId: event.actorId }) },
        ],
      },
      {
        actions: [
          { type: 'freePlace', params: ({ event }) => ({ instanceId: event.actorId }) },
          { type: 'forgetInstance', params: ({ event }) => ({ instanceId: event.actorId }) },
          { type: 'stopInstance', params: ({ event }) => ({ instanceId: event.actorId }) },
        ],
      },
    ],
    'xstate.error.actor.*': {
      actions: [
        { type: 'abandonInstance', params: ({ event }) => ({ instanceId: event.actorId, error: event.error }) },
        { type: 'freePlace', params: ({ event }) => ({ instanceId: event.actorId }) },
        { type: 'forgetInstance', params: ({ event }) => ({ instanceId: event.actorId }) },
        { type: 'stopInstance', params: ({ event }) => ({ instanceId: event.actorId }) },
      ],
    },
  },
  states: {
    running: {
      description: 'Instances are started on request and forgotten when they end.',
      on: {
        start: {
          actions: [{ type: 'noteInstance', params: ({ event }) => ({ instanceId: event.instance.instanceId }) }, 'spawnInstance'],
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
