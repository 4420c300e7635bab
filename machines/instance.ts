// One instance, as a chart: it starts a program, accepts its connection, and restarts or ends it. One stay in `running`
// is one incarnation of the program: leaving `running` disposes its listener, its process and its connections.
import {
  assertEvent,
  assign,
  type DoneActorEvent,
  type ErrorActorEvent,
  enqueueActions,
  fromCallback,
  raise,
  sendParent,
  sendTo,
  setup,
  spawnChild,
  stopChild,
} from 'xstate';
import { type ConnectionReport, connectionMachine } from './connection.ts';

/** Why an incarnation ends: the first cause counts. A `final` cause is never retried. */
export interface Cause {
  readonly reason:
    | 'completed'
    | 'crashed'
    | 'stopped'
    | 'spawn'
    | 'listen'
    | 'connect'
    | 'heartbeat'
    | 'link'
    | 'memory'
    | 'unresponsive'
    | 'restart'
    | 'internal';
  readonly code: string;
  readonly message: string;
  readonly final: boolean;
}

/** How far the ending of a program had to go: a request to its agent, SIGTERM, SIGKILL. */
export type StopStage = 'asked' | 'signalled' | 'killed';

export type RestartPolicy = 'permanent' | 'transient' | 'temporary';

export interface InstanceInput {
  readonly instanceId: string;
  /** The id of this actor among the supervisor's children; such ids are used again (see ConnectionName). */
  readonly actorId: string;
  /** An external instance starts no program: an agent connects from outside. */
  readonly external: boolean;
  readonly restart: RestartPolicy;
  /** What happens to an agent that does not answer a cancel. */
  readonly onUnresponsive: 'leave' | 'restart';
  /** An instance may fail so many times per restart period; one failure more stops it for good. */
  readonly intensity: number;
  /** How many heartbeats may stay unanswered. */
  readonly misses: number;
  /** The grace period of a program that is ended because of a failure, in ms. A stop brings its own. */
  readonly failureGrace: number;
}

export interface InstanceContext extends InstanceInput {
  /** `temporary` until the first session and after a stop, `permanent` once the agent is unresponsive, else `restart`. */
  readonly policy: RestartPolicy;
  readonly incarnation: number;
  /** The connection that holds the session, or was granted the session. */
  readonly session: string | null;
  /** Another connection with the right token, while the connection of the session is probed. */
  readonly claimant: string | null;
  readonly connections: readonly string[];
  readonly cause: Cause | null;
  /** The code with which the last session was lost. */
  readonly lossCode: string | null;
  readonly output: 'open' | 'closed';
  /** The program's processes: the program and all its descendants. */
  readonly tree: 'alive' | 'ended';
  /** How long the program may take to end before SIGKILL, in ms. */
  readonly gracePeriod: number;
  /** Failures within the restart period. */
  readonly failures: number;
  /** Restarts since the program was stable: the backoff grows with this number. */
  readonly attempts: number;
}

export type ListenerCommand = { type: 'bind' } | { type: 'drop'; connectionId: string };
export type ProcessCommand = { type: 'spawn' } | { type: 'scan' } | { type: 'signal'; signal: 'SIGTERM' | 'SIGKILL' };

export type InstanceEvent =
  | ConnectionReport
  | DoneActorEvent
  | ErrorActorEvent
  | { type: 'start.granted' }
  | { type: 'listener.bound'; address: string }
  | { type: 'listener.failed'; code: string; message: string }
  | { type: 'socket.accepted'; connectionId: string }
  | { type: 'process.failed'; code: string; message: string; final: boolean }
  | { type: 'process.exited'; exitCode: number | null; signal: string | null }
  | { type: 'process.closed' }
  | { type: 'process.ended'; left: number }
  | { type: 'memory.exceeded'; bytes: number; limit: number }
  | { type: 'agent.unresponsive' }
  | { type: 'activity.started' }
  | { type: 'activity.idle' }
  | { type: 'failure.expired' }
  | { type: 'stop'; grace: number };

/** What an instance reports to the supervisor. */
export type InstanceReport = { type: 'instance.queued'; actorId: string } | { type: 'instance.settled'; actorId: string };

/** The connection that an event is about. */
function connectionOf(event: InstanceEvent): string {
  assertEvent(event, ['socket.accepted', 'session.claimed', 'session.opened', 'connection.closed']);
  return event.connectionId;
}

/** The context after a cause of the end: the first cause counts. */
function ending({ cause }: InstanceContext, next: Cause) {
  return { cause: cause ?? next };
}

function notProvided(what: string): never {
  throw new Error(`instance: ${what} was not provided`);
}

export const instanceMachine = setup({
  types: {
    input: {} as InstanceInput,
    context: {} as InstanceContext,
    events: {} as InstanceEvent,
    children: {} as { listener: 'listen'; process: 'process'; [connectionId: string]: 'connection' | 'listen' | 'process' },
  },
  actors: {
    connection: connectionMachine,
    listen: fromCallback<ListenerCommand, { instanceId: string; incarnation: number }, InstanceEvent>(() => notProvided("actor 'listen'")),
    process: fromCallback<ProcessCommand, { instanceId: string; incarnation: number }, InstanceEvent>(() => notProvided("actor 'process'")),
  },
  actions: {
    beginIncarnation: assign(({ context }) => ({
      incarnation: context.incarnation + 1,
      policy: context.incarnation === 0 ? ('temporary' as const) : context.restart,
      session: null,
      claimant: null,
      connections: [],
      cause: null,
      lossCode: null,
      output: 'open' as const,
      tree: 'alive' as const,
      gracePeriod: context.failureGrace,
    })),
    adoptPolicy: assign({ policy: ({ context }) => context.restart }),
    forceRestart: assign({ policy: 'permanent' }),

    // The causes of an end.
    noteListenFailure: assign(({ context, event }) => {
      assertEvent(event, 'listener.failed');
      return ending(context, { reason: 'listen', code: event.code, message: event.message, final: false });
    }),
    noteSpawnFailure: assign(({ context, event }) => {
      assertEvent(event, 'process.failed');
      return ending(context, { reason: 'spawn', code: event.code, message: event.message, final: event.final });
    }),
    noteConnectTimeout: assign(({ context }) =>
      ending(context, { reason: 'connect', code: 'CONNECT_TIMEOUT', message: 'did not connect and authenticate in time', final: false }),
    ),
    noteExitBeforeReady: assign(({ context }) =>
      ending(context, { reason: 'crashed', code: 'EXITED_BEFORE_READY', message: 'the program ended before it was ready', final: false }),
    ),
    noteCompletion: assign(({ context }) =>
      ending(context, { reason: 'completed', code: 'INSTANCE_STOPPED', message: 'the program ended by itself', final: false }),
    ),
    noteCrash: assign(({ context }) =>
      ending(context, { reason: 'crashed', code: 'OUTCOME_UNKNOWN', message: 'the program crashed', final: false }),
    ),
    noteMemoryExceeded: assign(({ context, event }) => {
      assertEvent(event, 'memory.exceeded');
      const message = `its processes used ${event.bytes} bytes, more than maxMemory (${event.limit})`;
      return ending(context, { reason: 'memory', code: 'MEMORY_EXCEEDED', message, final: false });
    }),
    noteUnresponsive: assign(({ context }) =>
      ending(context, {
        reason: 'unresponsive',
        code: 'UNRESPONSIVE',
        message: 'the agent did not answer a cancelled execution within the grace period',
        final: false,
      }),
    ),
    noteHeartbeatLost: assign(({ context }) =>
      ending(context, {
        reason: 'heartbeat',
        code: 'HEARTBEAT_LOST',
        message: 'the agent answered no heartbeat and did not reconnect within the reconnect window',
        final: false,
      }),
    ),
    noteLinkLost: assign(({ context }) =>
      ending(context, {
        reason: 'link',
        code: 'LINK_LOST',
        message: 'the agent did not reconnect within the reconnect window',
        final: false,
      }),
    ),
    noteInternalError: assign(({ context, event }) => {
      assertEvent(event, 'xstate.error.actor.*');
      return ending(context, { reason: 'internal', code: 'INTERNAL', message: String(event.error), final: true });
    }),
    // After a stop nothing restarts, whatever the policy was.
    noteStop: assign(({ context }) => ({
      policy: 'temporary' as const,
      ...ending(context, { reason: 'stopped', code: 'INSTANCE_STOPPED', message: 'stopped by request', final: true }),
    })),
    noteGracePeriod: assign(({ event }) => {
      assertEvent(event, 'stop');
      return { gracePeriod: event.grace };
    }),
    noteRestartLimit: assign(({ context }) => ({
      cause: {
        reason: 'restart' as const,
        code: 'RESTART_LIMIT',
        message: `failed ${context.failures} times within the restart period; the last failure: ${context.cause?.message ?? 'unknown'}`,
        final: true,
      },
    })),
    countFailure: assign({ failures: ({ context }) => context.failures + 1 }),
    expireFailureLater: raise({ type: 'failure.expired' }, { delay: 'restartPeriod' }),
    expireFailure: assign({ failures: ({ context }) => Math.max(0, context.failures - 1) }),
    countAttempt: assign({ attempts: ({ context }) => context.attempts + 1 }),
    clearAttempts: assign({ attempts: 0 }),

    // Listener and process.
    requestStartSlot: sendParent(({ context }) => ({ type: 'instance.queued', actorId: context.actorId })),
    announceSettled: sendParent(({ context }) => ({ type: 'instance.settled', actorId: context.actorId })),
    bind: sendTo('listener', { type: 'bind' }),
    dropSocket: sendTo('listener', ({ event }) => ({ type: 'drop' as const, connectionId: connectionOf(event) })),
    spawnProcess: sendTo('process', { type: 'spawn' }),
    // A process that was seen while the program lives stays known after it has left the program's group and parent.
    scanTree: sendTo('process', { type: 'scan' }),
    signal: sendTo('process', (_, params: { signal: 'SIGTERM' | 'SIGKILL' }) => ({ type: 'signal' as const, signal: params.signal })),
    noteOutputClosed: assign({ output: 'closed' }),
    noteTreeEnded: assign({ tree: 'ended' }),

    // Connections and the session.
    noteConnection: assign(({ context, event }) => ({ connections: [...context.connections, connectionOf(event)] })),
    spawnConnection: spawnChild('connection', {
      id: ({ event }) => connectionOf(event),
      input: ({ context, event }) => ({ instanceId: context.instanceId, connectionId: connectionOf(event), misses: context.misses }),
    }),
    forgetConnection: assign(({ context, event }) => {
      const closed = connectionOf(event);
      return {
        connections: context.connections.filter(each => each !== closed),
        session: context.session === closed ? null : context.session,
        claimant: context.claimant === closed ? null : context.claimant,
      };
    }),
    stopConnection: stopChild(({ event }) => connectionOf(event)),
    // XState disposes the actors that `running` invoked. Connections were spawned, so they are stopped here.
    // (The cast: enqueueActions inside setup has open typing bugs, xstate#4743.)
    stopConnections: enqueueActions(({ context, enqueue }: { context: InstanceContext; enqueue: { stopChild(id: string): void } }) => {
      for (const connectionId of context.connections) enqueue.stopChild(connectionId);
    }) as never,
    noteSession: assign(({ event }) => ({ session: connectionOf(event), lossCode: null })),
    grantSession: sendTo(({ event }) => connectionOf(event), { type: 'session.granted' }),
    denySession: sendTo(({ event }) => connectionOf(event), { type: 'session.denied' }),
    noteSessionLoss: assign(({ event }) => {
      assertEvent(event, 'connection.closed');
      return { lossCode: event.code };
    }),
    noteClaimant: assign(({ event }) => ({ claimant: connectionOf(event) })),
    grantClaimant: sendTo(({ context }) => context.claimant ?? '', { type: 'session.granted' }),
    denyClaimant: sendTo(({ context }) => context.claimant ?? '', { type: 'session.denied' }),
    promoteClaimant: assign(({ context }) => ({ session: context.claimant, claimant: null })),
    clearClaimant: assign({ claimant: null }),
    probeSession: sendTo(({ context }) => context.session ?? '', { type: 'probe' }),
    drainSession: sendTo(
      ({ context }) => context.session ?? '',
      ({ context }) => ({ type: 'drain', grace: context.gracePeriod }),
    ),

    // What callers and their executions learn: provided by src/instance/wiring.ts.
    openSession: () => notProvided("action 'openSession'"),
    closeSession: () => notProvided("action 'closeSession'"),
    beginStopping: () => notProvided("action 'beginStopping'"),
    noteStopStage: (_, _params: { stage: StopStage }) => notProvided("action 'noteStopStage'"),
    endIncarnation: () => notProvided("action 'endIncarnation'"),
    endInstance: () => notProvided("action 'endInstance'"),
  },
  guards: {
    isExternal: ({ context }) => context.external,
    restartsUnresponsive: ({ context }) => context.onUnresponsive === 'restart',
    hasSession: ({ context }) => context.session !== null,
    hasClaimant: ({ context }) => context.claimant !== null,
    isSession: ({ context, event }) => context.session === connectionOf(event),
    isReplaced: ({ context, event }) => context.session === connectionOf(event) && context.claimant !== null,
    isLastConnection: ({ context, event }) => context.connections.every(each => each === connectionOf(event)),
    wasSilent: ({ context }) => context.lossCode === 'HEARTBEAT_LOST',
    isClean: ({ event }) => {
      assertEvent(event, 'process.exited');
      return event.exitCode === 0;
    },
    isSooner: ({ context, event }) => {
      assertEvent(event, 'stop');
      return event.grace < context.gracePeriod;
    },
    hasNoGrace: ({ context }) => context.gracePeriod <= 0,
    isDrained: ({ context }) => context.session === null && context.output === 'closed',
    isTreeEnded: ({ context }) => context.tree === 'ended',
    isFinal: ({ context }) =>
      context.policy === 'temporary' ||
      context.cause?.final === true ||
      (context.policy === 'transient' && context.cause?.reason === 'completed'),
    failedTooOften: ({ context }) => context.failures > context.intensity,
  },
  // How long each takes is known to src/instance/wiring.ts alone.
  delays: {
    connectTimeout: () => notProvided("delay 'connectTimeout'"),
    reconnectWindow: () => notProvided("delay 'reconnectWindow'"),
    terminateDelay: () => notProvided("delay 'terminateDelay'"),
    gracePeriod: () => notProvided("delay 'gracePeriod'"),
    giveUpDelay: () => notProvided("delay 'giveUpDelay'"),
    drainDelay: () => notProvided("delay 'drainDelay'"),
    cleanupTimeout: () => notProvided("delay 'cleanupTimeout'"),
    backoff: () => notProvided("delay 'backoff'"),
    restartPeriod: () => notProvided("delay 'restartPeriod'"),
    stableUptime: () => notProvided("delay 'stableUptime'"),
  },
}).createMachine({
  id: 'instance',
  description: 'One instance. This chart lives as long as the instance id, a program as long as one stay in `running`.',
  context: ({ input }) => ({
    instanceId: input.instanceId,
    actorId: input.actorId,
    external: input.external,
    restart: input.restart,
    onUnresponsive: input.onUnresponsive,
    intensity: input.intensity,
    misses: input.misses,
    failureGrace: input.failureGrace,
    policy: 'temporary',
    incarnation: 0,
    session: null,
    claimant: null,
    connections: [],
    cause: null,
    lossCode: null,
    output: 'open',
    tree: 'alive',
    gracePeriod: input.failureGrace,
    failures: 0,
    attempts: 0,
  }),
  initial: 'running',
  on: { 'failure.expired': { actions: 'expireFailure' } },
  states: {
    running: {
      description: 'One incarnation of the program. Leaving this state disposes its listener, its process and its connections.',
      entry: 'beginIncarnation',
      invoke: [
        { id: 'listener', src: 'listen', input: ({ context }) => ({ instanceId: context.instanceId, incarnation: context.incarnation }) },
        { id: 'process', src: 'process', input: ({ context }) => ({ instanceId: context.instanceId, incarnation: context.incarnation }) },
      ],
      initial: 'allocating',
      on: {
        'socket.accepted': { actions: 'dropSocket' },
        'session.claimed': { actions: 'denySession' },
        'connection.closed': { actions: ['forgetConnection', 'stopConnection'] },
        'process.closed': { actions: 'noteOutputClosed' },
        'process.ended': { actions: 'noteTreeEnded' },
        'xstate.error.actor.*': { target: '.ended', actions: 'noteInternalError' },
      },
      states: {
        allocating: {
          description: 'The instance waits for a start slot, then for a port.',
          initial: 'deciding',
          on: {
            stop: { target: 'ended', actions: 'noteStop' },
            'listener.failed': { target: 'ended', actions: 'noteListenFailure' },
          },
          states: {
            deciding: {
              description: 'An external instance starts no program, so it needs no start slot.',
              always: [{ guard: 'isExternal', target: 'binding', actions: 'bind' }, { target: 'queued' }],
            },
            queued: {
              description: 'At most maxConcurrentStarts instances start at once. The connect timeout does not run yet.',
              entry: 'requestStartSlot',
              on: { 'start.granted': { target: 'binding', actions: 'bind' } },
            },
            binding: {
              description: 'The listener is opened before the program starts, because the port is known only then.',
              on: { 'listener.bound': { target: '#instance.running.started', actions: 'spawnProcess' } },
            },
          },
        },
        started: {
          description: 'The program was started and is meant to run: it connects, takes executions, and reconnects.',
          initial: 'connecting',
          on: {
            'socket.accepted': { actions: ['noteConnection', 'spawnConnection'] },
            'session.claimed': [{ guard: 'hasSession', actions: 'denySession' }, { actions: ['noteSession', 'grantSession'] }],
            'process.exited': [
              { guard: 'isClean', target: 'exiting', actions: 'noteCompletion' },
              { target: 'exiting', actions: 'noteCrash' },
            ],
            'memory.exceeded': { target: 'stopping.killed', actions: 'noteMemoryExceeded' },
            stop: { target: 'stopping', actions: ['noteStop', 'noteGracePeriod'] },
          },
          states: {
            connecting: {
              description: 'The program has to connect and authenticate within the connect timeout.',
              initial: 'listening',
              on: {
                'socket.accepted': { target: '.authenticating', actions: ['noteConnection', 'spawnConnection'] },
                'process.failed': { target: '#instance.running.ended', actions: 'noteSpawnFailure' },
                'process.exited': { target: '#instance.running.exiting', actions: 'noteExitBeforeReady' },
              },
              after: { connectTimeout: { target: '#instance.running.stopping', actions: 'noteConnectTimeout' } },
              states: {
                listening: {
                  description: 'No socket is connected.',
                },
                authenticating: {
                  description: 'At least one socket is connected. None has opened the session yet.',
                  on: {
                    'session.opened': { target: '#instance.running.started.connected', actions: ['adoptPolicy', 'announceSettled'] },
                    'connection.closed': {
                      guard: 'isLastConnection',
                      target: 'listening',
                      actions: ['forgetConnection', 'stopConnection'],
                    },
                  },
                },
              },
            },
            connected: {
              description: 'A session is open: the agent takes executions.',
              entry: 'openSession',
              initial: 'ready',
              on: {
                'session.claimed': [{ guard: 'hasClaimant', actions: 'denySession' }, { actions: ['noteClaimant', 'probeSession'] }],
                'session.confirmed': { guard: 'hasClaimant', actions: ['denyClaimant', 'clearClaimant'] },
                'connection.closed': [
                  {
                    guard: 'isReplaced',
                    target: 'reconnecting',
                    actions: ['closeSession', 'noteSessionLoss', 'grantClaimant', 'promoteClaimant', 'forgetConnection', 'stopConnection'],
                  },
                  {
                    guard: 'isSession',
                    target: 'reconnecting',
                    actions: ['closeSession', 'noteSessionLoss', 'forgetConnection', 'stopConnection'],
                  },
                ],
                'process.exited': [
                  { guard: 'isClean', target: '#instance.running.exiting', actions: ['closeSession', 'noteCompletion'] },
                  { target: '#instance.running.exiting', actions: ['closeSession', 'noteCrash'] },
                ],
                'agent.unresponsive': {
                  guard: 'restartsUnresponsive',
                  target: '#instance.running.stopping',
                  actions: ['closeSession', 'forceRestart', 'noteUnresponsive'],
                },
                'memory.exceeded': { target: '#instance.running.stopping.killed', actions: ['closeSession', 'noteMemoryExceeded'] },
              },
              after: { stableUptime: { actions: 'clearAttempts' } },
              states: {
                ready: {
                  description: 'No execution is in flight.',
                  on: { 'activity.started': 'executing' },
                },
                executing: {
                  description: 'At least one execution is in flight.',
                  on: { 'activity.idle': 'ready' },
                },
              },
            },
            reconnecting: {
              description: 'The session is lost, the program still runs. Executions in flight wait until the agent reconnects.',
              on: { 'session.opened': 'connected' },
              after: {
                reconnectWindow: [
                  { guard: 'wasSilent', target: '#instance.running.stopping', actions: 'noteHeartbeatLost' },
                  { target: '#instance.running.stopping', actions: 'noteLinkLost' },
                ],
              },
            },
          },
        },
        stopping: {
          description: 'The program has to end, by request or after a failure: its agent is asked, then it gets SIGTERM, then SIGKILL.',
          entry: 'beginStopping',
          initial: 'deciding',
          on: {
            stop: { actions: 'noteStop' },
            'process.exited': 'exiting',
            'process.failed': 'ended',
          },
          states: {
            deciding: {
              description: 'Without a grace period SIGKILL comes first; without a session SIGTERM does.',
              always: [
                { guard: 'hasNoGrace', target: 'killed' },
                { guard: 'hasSession', target: 'graceful.asked', actions: 'drainSession' },
                { target: 'graceful.signalled' },
              ],
            },
            graceful: {
              description: 'The program has the grace period to end by itself.',
              entry: 'scanTree',
              initial: 'signalled',
              on: {
                'memory.exceeded': 'killed',
                stop: { guard: 'isSooner', target: 'deciding', actions: ['noteStop', 'noteGracePeriod'] },
              },
              after: { gracePeriod: 'killed' },
              states: {
                asked: {
                  description: 'The host has asked the agent over its connection to end.',
                  entry: { type: 'noteStopStage', params: { stage: 'asked' } },
                  on: {
                    'connection.closed': {
                      guard: 'isExternal',
                      target: '#instance.running.ended',
                      actions: ['forgetConnection', 'stopConnection'],
                    },
                  },
                  after: { terminateDelay: 'signalled' },
                },
                signalled: {
                  description: "The host has sent SIGTERM to the program's process group.",
                  entry: [
                    { type: 'noteStopStage', params: { stage: 'signalled' } },
                    { type: 'signal', params: { signal: 'SIGTERM' } },
                  ],
                },
              },
            },
            killed: {
              description: 'The host has sent SIGKILL to the program and all its descendants. Only the kernel can delay the end now.',
              entry: [
                { type: 'noteStopStage', params: { stage: 'killed' } },
                { type: 'signal', params: { signal: 'SIGKILL' } },
              ],
              after: { giveUpDelay: '#instance.running.ended' },
            },
          },
        },
        exiting: {
          description: 'The program has ended. Its output is read to the end, then its descendants are killed.',
          initial: 'draining',
          on: { stop: { actions: 'noteStop' } },
          states: {
            draining: {
              description: 'The host reads what the program wrote before it ended.',
              always: { guard: 'isDrained', target: 'cleaningUp' },
              after: { drainDelay: 'cleaningUp' },
            },
            cleaningUp: {
              description: 'The host finds the descendants of the program and kills them. None may outlive this incarnation.',
              always: { guard: 'isTreeEnded', target: '#instance.running.ended' },
              after: { cleanupTimeout: '#instance.running.ended' },
            },
          },
        },
        ended: {
          description: 'This incarnation is over. Its executions get their last update.',
          type: 'final',
        },
      },
      onDone: [
        { guard: 'isFinal', target: 'stopped', actions: ['stopConnections', 'endIncarnation'] },
        { target: 'failed', actions: ['stopConnections', 'endIncarnation'] },
      ],
    },
    failed: {
      description: 'The program ended although the policy wants it to run. Failures within the restart period are counted.',
      entry: ['announceSettled', 'countFailure', 'expireFailureLater'],
      always: [{ guard: 'failedTooOften', target: 'stopped', actions: 'noteRestartLimit' }, { target: 'backoff' }],
    },
    backoff: {
      description:
        'The instance waits before the next incarnation. The longest wait doubles with each failure; a random share of it is taken.',
      entry: 'countAttempt',
      on: { stop: { target: 'stopped', actions: 'noteStop' } },
      after: { backoff: 'running' },
    },
    stopped: {
      description: 'Nothing of the instance is left. It does not restart.',
      type: 'final',
      entry: 'endInstance',
    },
  },
});
