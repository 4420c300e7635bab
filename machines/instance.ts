// One instance, as a chart: it starts a program, follows the session with its agent, and restarts or ends it. One stay in
// `running` is one incarnation of the program: leaving `running` disposes its listener, its process, and its session with all
// connections.
import { assertEvent, assign, fromCallback, raise, sendParent, sendTo, setup } from 'xstate';
import type {
  Cause,
  InstanceContext,
  InstanceEvent,
  InstanceInput,
  ListenerCommand,
  ProcessCommand,
  ProcessExit,
  StopStage,
} from './instance-types.ts';
import { type Epoch, sessionMachine } from './session.ts';

/** Which incarnation of which program an actor serves. */
type Incarnation = Pick<InstanceContext, 'instanceId' | 'incarnation'>;

/** What every incarnation begins with. */
const newIncarnation = {
  session: null,
  cause: null,
  lossCode: null,
  output: 'open',
  tree: 'alive',
} as const satisfies Partial<InstanceContext>;

/** The event as one of this type. Throws for every other type. */
function eventOf<Type extends InstanceEvent['type']>(event: InstanceEvent, type: Type) {
  assertEvent(event, type);
  return event;
}

/** Notes why the incarnation ends. The first cause counts. */
function noteCause(causeOf: (event: InstanceEvent, context: InstanceContext) => Cause) {
  return assign<InstanceContext, InstanceEvent, undefined, InstanceEvent, never>({
    cause: ({ context, event }) => context.cause ?? causeOf(event, context),
  });
}

/** Notes a cause that is always the same. The restart policy decides what follows. */
const noteEnd = (reason: Cause['reason'], code: string, message: string) => noteCause(() => ({ reason, code, message, final: false }));

/** Whether the exit status is one of these codes. */
const isListed = ({ status }: ProcessExit, codes: readonly number[]): boolean => status !== null && codes.includes(status);

/** Notes an end of the program by itself. After some exit codes nothing is restarted. */
const noteExit = (reason: Cause['reason'], code: string, message: string) =>
  noteCause((event, { neverRestartOn }) => ({
    ...{ reason, code, message },
    final: isListed(eventOf(event, 'process.exited'), neverRestartOn),
  }));

function notProvided(what: string): never {
  throw new Error(`instance: ${what} was not provided`);
}

export const instanceMachine = setup({
  types: {
    input: {} as InstanceInput,
    context: {} as InstanceContext,
    events: {} as InstanceEvent,
    children: {} as { listener: 'listen'; process: 'process'; session: 'session' },
  },
  actors: {
    listen: fromCallback<ListenerCommand, Incarnation, InstanceEvent>(() => notProvided("actor 'listen'")),
    process: fromCallback<ProcessCommand, Incarnation, InstanceEvent>(() => notProvided("actor 'process'")),
    session: sessionMachine,
  },
  actions: {
    beginIncarnation: assign(({ context }) => ({
      ...newIncarnation,
      incarnation: context.incarnation + 1,
      policy: context.retryStart ? ('permanent' as const) : context.incarnation === 0 ? ('temporary' as const) : context.restart,
      gracePeriod: context.failureGrace,
    })),
    adoptPolicy: assign({ policy: ({ context }) => context.restart, retryStart: false }),
    forceRestart: assign({ policy: 'permanent' }),

    // The causes of an end.
    noteListenFailure: noteCause(event => {
      const { code, message } = eventOf(event, 'listener.failed');
      return { reason: 'listen', code, message, final: false };
    }),
    noteSpawnFailure: noteCause(event => {
      const { code, message } = eventOf(event, 'process.failed');
      return { reason: 'spawn', code, message, final: false };
    }),
    noteMemoryExceeded: noteCause(event => {
      const { bytes, limit } = eventOf(event, 'memory.exceeded');
      const message = `its processes used ${bytes} bytes, more than maxMemory (${limit})`;
      return { reason: 'memory', code: 'MEMORY_EXCEEDED', message, final: false };
    }),
    noteInternalError: noteCause(event => {
      assertEvent(event, 'xstate.error.actor.*');
      return { reason: 'internal', code: 'INTERNAL', message: String(event.error), final: true };
    }),
    noteConnectTimeout: noteCause((_, { connectTimeout }) => ({
      reason: 'connect',
      code: 'CONNECT_TIMEOUT',
      message: `did not connect and authenticate within ${connectTimeout} ms`,
      final: false,
    })),
    noteExitBeforeReady: noteExit('crashed', 'EXITED_BEFORE_READY', 'the program ended before it was ready'),
    noteCompletion: noteExit('completed', 'INSTANCE_STOPPED', 'the program ended by itself'),
    noteCrash: noteExit('crashed', 'OUTCOME_UNKNOWN', 'the program crashed'),
    noteUnresponsive: noteEnd('unresponsive', 'UNRESPONSIVE', 'the agent did not answer a cancelled execution within the grace period'),
    noteHeartbeatLost: noteEnd(
      'heartbeat',
      'HEARTBEAT_LOST',
      'the agent answered no heartbeat and did not reconnect within the reconnect window',
    ),
    noteLinkLost: noteEnd('link', 'LINK_LOST', 'the agent did not reconnect within the reconnect window'),
    // After a stop nothing restarts, whatever the policy was.
    noteStop: assign(({ context: { cause } }) => ({
      policy: 'temporary' as const,
      cause:
        cause === null || cause.reason === 'restarted'
          ? ({ reason: 'stopped', code: 'INSTANCE_STOPPED', message: 'stopped by request', final: true } as const)
          : cause,
    })),
    // The next incarnation begins whatever the policy is.
    noteRestart: assign({
      policy: 'permanent',
      cause: { reason: 'restarted', code: 'INSTANCE_STOPPED', message: 'a restart was requested', final: false },
    }),
    noteGracePeriod: assign({
      gracePeriod: ({ event }) => {
        assertEvent(event, ['stop', 'restart']);
        return event.grace;
      },
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
    requestStartSlot: sendParent(({ context }) => ({
      type: 'startSlot.requested',
      actorId: context.actorId,
      restart: context.incarnation > 1 && context.retryStart !== true,
    })),
    releaseStartSlot: sendParent(({ context }) => ({ type: 'startSlot.released', actorId: context.actorId })),
    bind: sendTo('listener', { type: 'bind' }),
    dropSocket: sendTo('listener', ({ event }) => ({
      type: 'drop' as const,
      connectionActorId: eventOf(event, 'socket.accepted').connectionActorId,
    })),
    spawnProcess: sendTo('process', { type: 'spawn' }),
    // A process that was seen while the program lives stays known after it has left the program's group and parent.
    scanTree: sendTo('process', { type: 'scan' }),
    // Each process gets the signal once: a second one could end it in the midst of its cleanup.
    signalTree: sendTo('process', { type: 'signal' }),
    kill: sendTo('process', { type: 'kill' }),
    noteOutputClosed: assign({ output: 'closed' }),
    noteTreeEnded: assign({ tree: 'ended' }),

    // The session.
    acceptSocket: sendTo('session', ({ event }) => ({
      type: 'accept' as const,
      connectionActorId: eventOf(event, 'socket.accepted').connectionActorId,
    })),
    noteSession: assign({ session: ({ event }) => eventOf(event, 'session.opened').connectionActorId, lossCode: null }),
    noteSessionLoss: assign({ session: null, lossCode: ({ event }) => eventOf(event, 'session.lost').code }),
    askToEnd: sendTo('session', ({ context }) => ({ type: 'askToEnd' as const, grace: context.gracePeriod })),
    endClaims: sendTo('session', { type: 'close' }),

    // What callers and their executions learn: provided by src/instance/wiring.ts.
    openSession: (_, _params: { connectionActorId: string; epoch: Epoch }) => notProvided("action 'openSession'"),
    closeSession: () => notProvided("action 'closeSession'"),
    deferRequests: () => notProvided("action 'deferRequests'"),
    beginStopping: () => notProvided("action 'beginStopping'"),
    beginGrace: () => notProvided("action 'beginGrace'"),
    recordStopStage: (_, _params: { stage: StopStage }) => notProvided("action 'recordStopStage'"),
    endIncarnation: () => notProvided("action 'endIncarnation'"),
    endInstance: () => notProvided("action 'endInstance'"),
  },
  guards: {
    isExternal: ({ context }) => context.external,
    restartsUnresponsive: ({ context }) => context.onUnresponsive === 'restart',
    hasSession: ({ context }) => context.session !== null,
    wasSilent: ({ context }) => context.lossCode === 'HEARTBEAT_LOST',
    // A SIGTERM of somebody else is a clean end, as `shutdown` is for a supervisor of OTP.
    isClean: ({ context, event }) => {
      const exit = eventOf(event, 'process.exited');
      return exit.exitCode === 0 || exit.signal === 'SIGTERM' || isListed(exit, context.successCodes);
    },
    isSooner: ({ context, event }) => eventOf(event, 'stop').grace < context.gracePeriod,
    asksToDrain: ({ event }) => eventOf(event, 'stop').drain === true && eventOf(event, 'stop').grace > 0,
    hasNoGrace: ({ context }) => context.gracePeriod <= 0,
    isOutputRead: ({ context }) => context.session === null && context.output === 'closed',
    isTreeEnded: ({ context }) => context.tree === 'ended',
    isFinal: ({ context }) =>
      context.policy === 'temporary' ||
      context.cause?.final === true ||
      (context.policy === 'transient' && context.cause?.reason === 'completed'),
    wasRestarted: ({ context }) => context.cause?.reason === 'restarted',
    hasNoRestartLimit: ({ context }) => context.intensity === Number.POSITIVE_INFINITY,
    hasFailedTooOften: ({ context }) => context.failures >= context.intensity,
  },
  // How long each takes is known to src/instance/wiring.ts alone.
  delays: {
    connectTimeout: () => notProvided("delay 'connectTimeout'"),
    reconnectWindow: () => notProvided("delay 'reconnectWindow'"),
    signalDelay: () => notProvided("delay 'signalDelay'"),
    gracePeriod: () => notProvided("delay 'gracePeriod'"),
    graceLeft: () => notProvided("delay 'graceLeft'"),
    drainLimit: () => notProvided("delay 'drainLimit'"),
    killTimeout: () => notProvided("delay 'killTimeout'"),
    outputTimeout: () => notProvided("delay 'outputTimeout'"),
    cleanupTimeout: () => notProvided("delay 'cleanupTimeout'"),
    backoff: () => notProvided("delay 'backoff'"),
    restartPeriod: () => notProvided("delay 'restartPeriod'"),
    stableUptime: () => notProvided("delay 'stableUptime'"),
  },
}).createMachine({
  id: 'instance',
  description: 'One instance. This chart lives as long as the instance id, a program as long as one stay in `running`.',
  context: ({ input }) => ({
    ...input,
    ...newIncarnation,
    policy: 'temporary',
    incarnation: 0,
    gracePeriod: input.failureGrace,
    failures: 0,
    attempts: 0,
  }),
  initial: 'running',
  on: { 'failure.expired': { actions: 'expireFailure' } },
  states: {
    running: {
      description: 'One incarnation of the program. Leaving this state disposes its listener, its process and its session.',
      entry: 'beginIncarnation',
      invoke: [
        { id: 'listener', src: 'listen', input: ({ context }) => ({ instanceId: context.instanceId, incarnation: context.incarnation }) },
        { id: 'process', src: 'process', input: ({ context }) => ({ instanceId: context.instanceId, incarnation: context.incarnation }) },
        {
          id: 'session',
          src: 'session',
          input: ({ context }) => ({ instanceId: context.instanceId, misses: context.misses, external: context.external }),
        },
      ],
      initial: 'allocating',
      on: {
        stop: { actions: 'noteStop' },
        'socket.accepted': { actions: 'dropSocket' },
        'session.lost': { actions: 'noteSessionLoss' },
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
              description:
                'At most maxConcurrentStarts first starts are under way at once, and as many restarts. The connect timeout does not run yet.',
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
            'socket.accepted': { actions: 'acceptSocket' },
            'process.exited': [
              { guard: 'isClean', target: 'exiting', actions: 'noteCompletion' },
              { target: 'exiting', actions: 'noteCrash' },
            ],
            'memory.exceeded': { target: 'stopping.killed', actions: 'noteMemoryExceeded' },
            stop: { target: 'stopping', actions: ['noteStop', 'noteGracePeriod'] },
            restart: { target: 'stopping', actions: ['noteRestart', 'noteGracePeriod', 'deferRequests'] },
          },
          states: {
            connecting: {
              description: 'The program has to connect and authenticate within the connect timeout.',
              initial: 'listening',
              on: {
                'socket.accepted': { target: '.authenticating', actions: 'acceptSocket' },
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
                    'session.opened': {
                      target: '#instance.running.started.connected',
                      actions: ['noteSession', 'adoptPolicy', 'releaseStartSlot'],
                    },
                    'connections.none': 'listening',
                  },
                },
              },
            },
            connected: {
              description: 'The agent is connected and takes executions.',
              entry: {
                type: 'openSession',
                params: ({ event }) => eventOf(event, 'session.opened'),
              },
              initial: 'ready',
              on: {
                'session.lost': { target: 'reconnecting', actions: ['closeSession', 'noteSessionLoss'] },
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
                  on: {
                    'activity.idle': 'ready',
                    stop: {
                      guard: 'asksToDrain',
                      target: '#instance.running.stopping.graceful.draining',
                      actions: ['noteStop', 'noteGracePeriod'],
                    },
                  },
                },
              },
            },
            reconnecting: {
              description: 'The connection is lost, the program still runs. Executions in flight wait until the agent reconnects.',
              on: {
                'session.opened': { target: 'connected', actions: 'noteSession' },
                stop: {
                  guard: 'asksToDrain',
                  target: '#instance.running.stopping.graceful.draining',
                  actions: ['noteStop', 'noteGracePeriod'],
                },
              },
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
          description:
            'The program has to end, by request, for a restart or after a failure: its agent is asked, then its tree gets SIGTERM, then SIGKILL.',
          entry: 'beginStopping',
          initial: 'deciding',
          on: { 'process.exited': 'exiting', 'process.failed': 'ended' },
          states: {
            deciding: {
              description: 'Without a grace period SIGKILL comes first; without a session SIGTERM does.',
              always: [
                { guard: 'hasNoGrace', target: 'killed' },
                { guard: 'hasSession', target: 'graceful.asked' },
                { target: 'graceful.signalled' },
              ],
            },
            graceful: {
              description: 'The program has the grace period to end by itself.',
              entry: 'scanTree',
              initial: 'signalled',
              on: {
                'memory.exceeded': 'killed',
                stop: { guard: 'isSooner', target: 'deciding', actions: ['noteStop', 'noteGracePeriod', 'beginGrace'] },
              },
              after: { gracePeriod: 'killed' },
              states: {
                draining: {
                  description: 'No new execution is taken. Those in flight may end, and the agent may reconnect for their results.',
                  on: {
                    'activity.idle': [{ guard: 'hasSession', target: 'asked' }, { target: 'signalled' }],
                    'socket.accepted': { actions: 'acceptSocket' },
                    'session.opened': {
                      actions: ['noteSession', { type: 'openSession', params: ({ event }) => event }],
                    },
                    'session.lost': { actions: ['closeSession', 'noteSessionLoss'] },
                    stop: [
                      { guard: 'asksToDrain', actions: 'noteStop' },
                      {
                        target: '#instance.running.stopping.deciding',
                        actions: ['noteStop', 'noteGracePeriod', 'beginGrace'],
                      },
                    ],
                  },
                  after: { drainLimit: 'signalled' },
                },
                asked: {
                  description: 'The host has asked the agent over its connection to end.',
                  entry: ['endClaims', 'askToEnd', { type: 'recordStopStage', params: { stage: 'asked' } }],
                  on: {
                    'session.lost': { guard: 'isExternal', target: '#instance.running.ended', actions: 'noteSessionLoss' },
                  },
                  after: { signalDelay: 'signalled' },
                },
                signalled: {
                  description: 'The host has sent SIGTERM, or the kill signal of the instance, to every process of the tree.',
                  entry: ['endClaims', { type: 'recordStopStage', params: { stage: 'signalled' } }, 'signalTree'],
                },
              },
            },
            killed: {
              description: 'The host has sent SIGKILL to the program and all its descendants. Only the kernel can delay the end now.',
              entry: ['endClaims', { type: 'recordStopStage', params: { stage: 'killed' } }, 'kill'],
              after: { killTimeout: '#instance.running.ended' },
            },
          },
        },
        exiting: {
          description: 'The program has ended. The rest of its tree gets the kill signal, and SIGKILL at the end of the grace period.',
          entry: ['endClaims', 'signalTree'],
          initial: 'readingOutput',
          states: {
            readingOutput: {
              description: 'The host reads what the program wrote before it ended.',
              on: { stop: { guard: 'isSooner', actions: ['noteStop', 'noteGracePeriod', 'beginGrace'] } },
              always: { guard: 'isOutputRead', target: 'cleaningUp' },
              after: { outputTimeout: 'cleaningUp' },
            },
            cleaningUp: {
              description: 'The descendants of the program have what is left of the grace period. None may outlive this incarnation.',
              on: {
                stop: { guard: 'isSooner', target: 'cleaningUp', reenter: true, actions: ['noteStop', 'noteGracePeriod', 'beginGrace'] },
              },
              always: { guard: 'isTreeEnded', target: '#instance.running.ended' },
              after: { graceLeft: 'killing' },
            },
            killing: {
              description: 'The host has sent SIGKILL to the descendants that are left.',
              entry: [{ type: 'recordStopStage', params: { stage: 'killed' } }, 'kill'],
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
        { guard: 'isFinal', target: 'stopped', actions: 'endIncarnation' },
        { guard: 'wasRestarted', target: 'restarting', actions: 'endIncarnation' },
        { target: 'failed', actions: 'endIncarnation' },
      ],
    },
    restarting: {
      description: 'A restart was requested, and the program has ended. The next incarnation begins at once: this is no failure.',
      entry: 'releaseStartSlot',
      always: 'running',
    },
    failed: {
      description:
        'The program ended although the policy wants it to run. Failures within the restart period are counted, unless the intensity has no limit.',
      entry: 'releaseStartSlot',
      always: [
        { guard: 'hasNoRestartLimit', target: 'backoff' },
        { guard: 'hasFailedTooOften', target: 'stopped', actions: ['countFailure', 'noteRestartLimit'] },
        { target: 'backoff', actions: ['countFailure', 'expireFailureLater'] },
      ],
    },
    backoff: {
      description:
        'The instance waits before the next incarnation. The bound of the wait doubles with each failure, from `min` to `max` of its backoff.',
      entry: 'countAttempt',
      on: { stop: { target: 'stopped', actions: 'noteStop' }, restart: 'running' },
      after: { backoff: 'running' },
    },
    stopped: {
      description: 'Nothing of the instance is left. It does not restart.',
      type: 'final',
      entry: 'endInstance',
    },
  },
});
