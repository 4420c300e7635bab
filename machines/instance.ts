// One instance, as a chart: a program that is started, proves itself, works, is lost and found, restarted or ended.
// `running` is one incarnation; leaving it disposes its listener, process and connections. Every effect is provided.
import {
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

/** Why an incarnation ends: the first cause counts. `final` causes are never retried. */
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

export interface ProgramExit {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

/** The steps of the ladder on which a program is ended. */
export type Rung = 'asked' | 'signalled' | 'killed';

export type RestartPolicy = 'permanent' | 'transient' | 'temporary';

export interface InstanceInput {
  readonly instanceId: string;
  /** Its name among the supervisor's children; such names are used again (see ConnectionName). */
  readonly place: string;
  readonly external: boolean;
  readonly restart: RestartPolicy;
  /** What becomes of an agent that does not answer when it is told to cancel. */
  readonly onUnresponsive: 'leave' | 'restart';
  /** How many falls within the restart period are forgiven. */
  readonly intensity: number;
  /** How many heartbeats may go unanswered. */
  readonly misses: number;
  /** How long a program that has failed is given to end by itself, in ms; a stop brings its own. */
  readonly grace: number;
}

export interface InstanceContext extends InstanceInput {
  /** `temporary` until the first ready and after a stop, `permanent` once it does not listen, else what the spec says. */
  readonly policy: RestartPolicy;
  readonly incarnation: number;
  readonly address: string | null;
  readonly pid: number | null;
  /** The connection that holds, or is being given, the session. */
  readonly session: string | null;
  /** Another connection that has shown the token, while the session is asked for a sign of life. */
  readonly claimant: string | null;
  readonly connections: readonly string[];
  readonly cause: Cause | null;
  /** Why the session was lost last. */
  readonly lost: string | null;
  readonly exit: ProgramExit | null;
  readonly output: 'open' | 'closed';
  /** What came of the program, wherever it went. */
  readonly tree: 'alive' | 'ended';
  /** The grace of the ending that is under way. */
  readonly patience: number;
  readonly falls: number;
  readonly attempts: number;
}

export type ListenerCommand = { type: 'bind' } | { type: 'drop'; connectionId: string };
export type ProcessCommand = { type: 'spawn' } | { type: 'look' } | { type: 'signal'; signal: 'SIGTERM' | 'SIGKILL' };

export type InstanceEvent =
  | ConnectionReport
  | DoneActorEvent
  | ErrorActorEvent
  | { type: 'start.granted' }
  | { type: 'listener.bound'; address: string }
  | { type: 'listener.failed'; code: string; message: string }
  | { type: 'socket.accepted'; connectionId: string }
  | { type: 'process.spawned'; pid: number | null }
  | { type: 'process.failed'; code: string; message: string; final: boolean }
  | { type: 'process.exited'; exitCode: number | null; signal: string | null }
  | { type: 'process.closed' }
  | { type: 'process.ended'; left: number }
  | { type: 'memory.exceeded'; bytes: number; limit: number }
  | { type: 'agent.unresponsive' }
  | { type: 'work.begun' }
  | { type: 'work.finished' }
  | { type: 'fall.forgotten' }
  | { type: 'stop'; grace: number };

/** What an instance reports to the supervisor. */
export type InstanceReport = { type: 'instance.queued'; place: string } | { type: 'instance.settled'; place: string };

export const instanceMachine = setup({
  types: {
    input: {} as InstanceInput,
    context: {} as InstanceContext,
    events: {} as InstanceEvent,
    children: {} as { listener: 'listen'; process: 'process'; [connectionId: string]: 'connection' | 'listen' | 'process' },
  },
  actors: {
    connection: connectionMachine,
    listen: fromCallback<ListenerCommand, { instanceId: string; incarnation: number }, InstanceEvent>(() => {
      throw new Error("instance: actor 'listen' was not provided");
    }),
    process: fromCallback<ProcessCommand, { instanceId: string; incarnation: number }, InstanceEvent>(() => {
      throw new Error("instance: actor 'process' was not provided");
    }),
  },
  actions: {
    beginIncarnation: assign(({ context }) => ({
      incarnation: context.incarnation + 1,
      policy: context.incarnation === 0 ? ('temporary' as const) : context.restart,
      address: null,
      pid: null,
      session: null,
      claimant: null,
      connections: [],
      cause: null,
      lost: null,
      exit: null,
      output: 'open' as const,
      tree: 'alive' as const,
      patience: context.grace,
    })),
    noteAddress: assign((_, params: { address: string }) => params),
    notePid: assign((_, params: { pid: number | null }) => params),
    noteExit: assign((_, params: ProgramExit) => ({ exit: { exitCode: params.exitCode, signal: params.signal } })),
    noteLoss: assign((_, params: { code: string }) => ({ lost: params.code })),
    noteOutputClosed: assign({ output: 'closed' }),
    noteTreeEnded: assign({ tree: 'ended' }),
    noteCause: assign(({ context }, params: Cause) => ({ cause: context.cause ?? params })),
    noteStop: assign(({ context }, params: { grace: number }) => ({
      patience: params.grace,
      // Whatever its policy was: after a stop nothing restarts.
      policy: 'temporary' as const,
      cause: context.cause ?? { reason: 'stopped' as const, code: 'INSTANCE_STOPPED', message: 'stopped by request', final: true },
    })),
    noteRestartLimit: assign(({ context }) => ({
      cause: {
        reason: 'restart' as const,
        code: 'RESTART_LIMIT',
        message: `fell ${context.falls} times within the restart period; the last: ${context.cause?.message ?? 'unknown'}`,
        final: true,
      },
    })),
    insistOnRestart: assign({ policy: 'permanent' }),
    adoptPolicy: assign({ policy: ({ context }) => context.restart }),
    noteConnection: assign(({ context }, params: { connectionId: string }) => ({
      connections: [...context.connections, params.connectionId],
    })),
    noteSession: assign((_, params: { connectionId: string }) => ({ session: params.connectionId, lost: null })),
    noteClaimant: assign((_, params: { connectionId: string }) => ({ claimant: params.connectionId })),
    clearClaimant: assign({ claimant: null }),
    promoteClaimant: assign(({ context }) => ({ session: context.claimant, claimant: null })),
    forgetConnection: assign(({ context }, params: { connectionId: string }) => ({
      connections: context.connections.filter(each => each !== params.connectionId),
      session: context.session === params.connectionId ? null : context.session,
      claimant: context.claimant === params.connectionId ? null : context.claimant,
    })),
    countFall: assign({ falls: ({ context }) => context.falls + 1 }),
    forgetFallLater: raise({ type: 'fall.forgotten' }, { delay: 'restartPeriod' }),
    forgetFall: assign({ falls: ({ context }) => Math.max(0, context.falls - 1) }),
    countAttempt: assign({ attempts: ({ context }) => context.attempts + 1 }),
    clearAttempts: assign({ attempts: 0 }),
    bind: sendTo('listener', { type: 'bind' }),
    dropSocket: sendTo('listener', (_, params: { connectionId: string }) => ({ type: 'drop' as const, connectionId: params.connectionId })),
    spawnProcess: sendTo('process', { type: 'spawn' }),
    // Who is seen while the program lives is known after it has cut all ties.
    lookAtTree: sendTo('process', { type: 'look' }),
    signal: sendTo('process', (_, params: { signal: 'SIGTERM' | 'SIGKILL' }) => ({ type: 'signal' as const, signal: params.signal })),
    // The one that was noted last.
    spawnConnection: spawnChild('connection', {
      id: ({ context }) => context.connections.at(-1) ?? '',
      input: ({ context }) => ({ instanceId: context.instanceId, connectionId: context.connections.at(-1) ?? '', misses: context.misses }),
    }),
    stopConnection: stopChild((_, params: { connectionId: string }) => params.connectionId),
    // Leaving `running` disposes what it invoked; connections were spawned, and a spawned one under a taken id is orphaned.
    // (The cast: enqueueActions inside setup has open typing bugs, xstate#4743.)
    stopConnections: enqueueActions(({ context, enqueue }: { context: InstanceContext; enqueue: { stopChild(id: string): void } }) => {
      for (const connectionId of context.connections) enqueue.stopChild(connectionId);
    }) as never,
    grant: sendTo((_, params: { connectionId: string }) => params.connectionId, { type: 'session.granted' }),
    deny: sendTo((_, params: { connectionId: string }) => params.connectionId, { type: 'session.denied' }),
    probeSession: sendTo(({ context }) => context.session ?? '', { type: 'probe' }),
    drainSession: sendTo(
      ({ context }) => context.session ?? '',
      ({ context }) => ({ type: 'drain', grace: context.patience }),
    ),
    askToStart: sendParent(({ context }) => ({ type: 'instance.queued', place: context.place })),
    announceSettled: sendParent(({ context }) => ({ type: 'instance.settled', place: context.place })),
    // What callers and their executions learn; provided by src/runtime/wiring.ts.
    openSession: (_, _params: { connectionId: string }) => {},
    closeSession: () => {},
    beginLadder: () => {},
    climb: (_, _params: { rung: Rung }) => {},
    endIncarnation: () => {},
    endInstance: () => {},
  },
  guards: {
    isExternal: ({ context }) => context.external,
    isIntolerant: ({ context }) => context.onUnresponsive === 'restart',
    isSession: ({ context }, params: { connectionId: string }) => context.session === params.connectionId,
    isReplaced: ({ context }, params: { connectionId: string }) => context.session === params.connectionId && context.claimant !== null,
    isPromised: ({ context }) => context.session !== null,
    hasClaimant: ({ context }) => context.claimant !== null,
    isLastConnection: ({ context }, params: { connectionId: string }) => context.connections.every(each => each === params.connectionId),
    wasSilent: ({ context }) => context.lost === 'HEARTBEAT_LOST',
    isSooner: ({ context }, params: { grace: number }) => params.grace < context.patience,
    hasNoTime: ({ context }) => context.patience <= 0,
    isConnected: ({ context }) => context.session !== null,
    isDrained: ({ context }) => context.session === null && context.output === 'closed',
    isSwept: ({ context }) => context.tree === 'ended',
    isOver: ({ context }) =>
      context.policy === 'temporary' ||
      context.cause?.final === true ||
      (context.policy === 'transient' && context.cause?.reason === 'completed'),
    fellTooOften: ({ context }) => context.falls > context.intensity,
    isClean: (_, params: ProgramExit) => params.exitCode === 0,
  },
  delays: {
    connectTimeout: 30_000,
    reconnectWindow: 10_000,
    terminateDelay: 1_000,
    grace: 5_000,
    giveUpDelay: 5_000,
    drainDelay: 250,
    sweepDelay: 3_000,
    backoff: 200,
    restartPeriod: 60_000,
    stableUptime: 60_000,
  },
}).createMachine({
  id: 'instance',
  description: 'One instance: its id lives as long as this chart, its program for one stay in `running`.',
  context: ({ input }) => ({
    instanceId: input.instanceId,
    place: input.place,
    external: input.external,
    restart: input.restart,
    onUnresponsive: input.onUnresponsive,
    intensity: input.intensity,
    misses: input.misses,
    policy: 'temporary',
    incarnation: 0,
    address: null,
    pid: null,
    session: null,
    claimant: null,
    connections: [],
    cause: null,
    lost: null,
    exit: null,
    output: 'open',
    tree: 'alive',
    grace: input.grace,
    patience: input.grace,
    falls: 0,
    attempts: 0,
  }),
  initial: 'running',
  on: { 'fall.forgotten': { actions: 'forgetFall' } },
  states: {
    running: {
      description: 'One incarnation of the program. Leaving it disposes listener, process and connections.',
      entry: 'beginIncarnation',
      invoke: [
        { id: 'listener', src: 'listen', input: ({ context }) => ({ instanceId: context.instanceId, incarnation: context.incarnation }) },
        { id: 'process', src: 'process', input: ({ context }) => ({ instanceId: context.instanceId, incarnation: context.incarnation }) },
      ],
      initial: 'allocating',
      on: {
        'socket.accepted': { actions: { type: 'dropSocket', params: ({ event }) => ({ connectionId: event.connectionId }) } },
        'connection.closed': {
          actions: [
            { type: 'forgetConnection', params: ({ event }) => ({ connectionId: event.connectionId }) },
            { type: 'stopConnection', params: ({ event }) => ({ connectionId: event.connectionId }) },
          ],
        },
        'session.claimed': { actions: { type: 'deny', params: ({ event }) => ({ connectionId: event.connectionId }) } },
        // Inside a namespace the program's own pid is known a few ms later: its agent may be quicker.
        'process.spawned': { actions: { type: 'notePid', params: ({ event }) => ({ pid: event.pid }) } },
        'process.closed': { actions: 'noteOutputClosed' },
        'process.ended': { actions: 'noteTreeEnded' },
        'xstate.error.actor.*': {
          target: '.ended',
          actions: {
            type: 'noteCause',
            params: ({ event }) => ({ reason: 'internal', code: 'INTERNAL', message: String(event.error), final: true }),
          },
        },
      },
      states: {
        allocating: {
          description: 'Waiting for its turn to start, then for a port.',
          initial: 'deciding',
          on: {
            stop: { target: 'ended', actions: { type: 'noteStop', params: ({ event }) => ({ grace: event.grace }) } },
            'listener.failed': {
              target: 'ended',
              actions: {
                type: 'noteCause',
                params: ({ event }) => ({ reason: 'listen', code: event.code, message: event.message, final: false }),
              },
            },
          },
          states: {
            deciding: {
              description: "Nothing is started for an external one: it takes nobody's place.",
              always: [{ guard: 'isExternal', target: 'binding', actions: 'bind' }, { target: 'queued' }],
            },
            queued: {
              description: 'So many instances start at once and no more. Waiting here costs no connect timeout.',
              entry: 'askToStart',
              on: { 'start.granted': { target: 'binding', actions: 'bind' } },
            },
            binding: {
              description: 'The listener is opened first; then the port is known.',
              on: {
                'listener.bound': {
                  target: '#instance.running.connecting',
                  actions: [{ type: 'noteAddress', params: ({ event }) => ({ address: event.address }) }, 'spawnProcess'],
                },
              },
            },
          },
        },
        connecting: {
          description: 'The program is started and has to connect and prove itself within the connect timeout.',
          initial: 'listening',
          on: {
            'socket.accepted': {
              target: '.authenticating',
              actions: [{ type: 'noteConnection', params: ({ event }) => ({ connectionId: event.connectionId }) }, 'spawnConnection'],
            },
            'process.failed': {
              target: 'ended',
              actions: {
                type: 'noteCause',
                params: ({ event }) => ({ reason: 'spawn', code: event.code, message: event.message, final: event.final }),
              },
            },
            'process.exited': {
              target: 'exiting',
              actions: [
                { type: 'noteExit', params: ({ event }) => ({ exitCode: event.exitCode, signal: event.signal }) },
                {
                  type: 'noteCause',
                  params: {
                    reason: 'crashed',
                    code: 'EXITED_BEFORE_READY',
                    message: 'the program ended before it was ready',
                    final: false,
                  },
                },
              ],
            },
            'memory.exceeded': {
              target: '#instance.running.stopping.killed',
              actions: [
                {
                  type: 'noteCause',
                  params: ({ event }) => ({
                    reason: 'memory',
                    code: 'MEMORY_EXCEEDED',
                    message: `its processes used ${event.bytes} bytes, more than maxMemory (${event.limit})`,
                    final: false,
                  }),
                },
              ],
            },
            stop: { target: 'stopping', actions: { type: 'noteStop', params: ({ event }) => ({ grace: event.grace }) } },
          },
          after: {
            connectTimeout: {
              target: 'stopping',
              actions: {
                type: 'noteCause',
                params: { reason: 'connect', code: 'CONNECT_TIMEOUT', message: 'did not connect and authenticate in time', final: false },
              },
            },
          },
          states: {
            listening: {
              description: 'Nobody is connected.',
            },
            authenticating: {
              description: 'At least one socket is open. Whether it is our program has to be shown.',
              on: {
                'session.claimed': [
                  { guard: 'isPromised', actions: { type: 'deny', params: ({ event }) => ({ connectionId: event.connectionId }) } },
                  {
                    actions: [
                      { type: 'noteSession', params: ({ event }) => ({ connectionId: event.connectionId }) },
                      { type: 'grant', params: ({ event }) => ({ connectionId: event.connectionId }) },
                    ],
                  },
                ],
                'session.opened': {
                  target: '#instance.running.connected',
                  actions: [
                    'adoptPolicy',
                    { type: 'openSession', params: ({ event }) => ({ connectionId: event.connectionId }) },
                    'announceSettled',
                  ],
                },
                'connection.closed': [
                  {
                    guard: { type: 'isLastConnection', params: ({ event }) => ({ connectionId: event.connectionId }) },
                    target: 'listening',
                    actions: [
                      { type: 'forgetConnection', params: ({ event }) => ({ connectionId: event.connectionId }) },
                      { type: 'stopConnection', params: ({ event }) => ({ connectionId: event.connectionId }) },
                    ],
                  },
                ],
              },
            },
          },
        },
        connected: {
          description: 'A session is open: the agent takes work.',
          initial: 'ready',
          on: {
            'socket.accepted': {
              actions: [{ type: 'noteConnection', params: ({ event }) => ({ connectionId: event.connectionId }) }, 'spawnConnection'],
            },
            'session.claimed': [
              { guard: 'hasClaimant', actions: { type: 'deny', params: ({ event }) => ({ connectionId: event.connectionId }) } },
              { actions: [{ type: 'noteClaimant', params: ({ event }) => ({ connectionId: event.connectionId }) }, 'probeSession'] },
            ],
            'session.confirmed': {
              guard: 'hasClaimant',
              actions: [{ type: 'deny', params: ({ context }) => ({ connectionId: context.claimant ?? '' }) }, 'clearClaimant'],
            },
            'connection.closed': [
              {
                guard: { type: 'isReplaced', params: ({ event }) => ({ connectionId: event.connectionId }) },
                target: 'reconnecting',
                actions: [
                  'closeSession',
                  { type: 'noteLoss', params: ({ event }) => ({ code: event.code }) },
                  { type: 'grant', params: ({ context }) => ({ connectionId: context.claimant ?? '' }) },
                  'promoteClaimant',
                  { type: 'forgetConnection', params: ({ event }) => ({ connectionId: event.connectionId }) },
                  { type: 'stopConnection', params: ({ event }) => ({ connectionId: event.connectionId }) },
                ],
              },
              {
                guard: { type: 'isSession', params: ({ event }) => ({ connectionId: event.connectionId }) },
                target: 'reconnecting',
                actions: [
                  'closeSession',
                  { type: 'noteLoss', params: ({ event }) => ({ code: event.code }) },
                  { type: 'forgetConnection', params: ({ event }) => ({ connectionId: event.connectionId }) },
                  { type: 'stopConnection', params: ({ event }) => ({ connectionId: event.connectionId }) },
                ],
              },
            ],
            'process.exited': [
              {
                guard: { type: 'isClean', params: ({ event }) => ({ exitCode: event.exitCode, signal: event.signal }) },
                target: 'exiting',
                actions: [
                  'closeSession',
                  { type: 'noteExit', params: ({ event }) => ({ exitCode: event.exitCode, signal: event.signal }) },
                  {
                    type: 'noteCause',
                    params: { reason: 'completed', code: 'INSTANCE_STOPPED', message: 'the program ended by itself', final: false },
                  },
                ],
              },
              {
                target: 'exiting',
                actions: [
                  'closeSession',
                  { type: 'noteExit', params: ({ event }) => ({ exitCode: event.exitCode, signal: event.signal }) },
                  {
                    type: 'noteCause',
                    params: { reason: 'crashed', code: 'OUTCOME_UNKNOWN', message: 'the program crashed', final: false },
                  },
                ],
              },
            ],
            'agent.unresponsive': {
              guard: 'isIntolerant',
              target: 'stopping',
              actions: [
                'closeSession',
                'insistOnRestart',
                {
                  type: 'noteCause',
                  params: {
                    reason: 'unresponsive',
                    code: 'UNRESPONSIVE',
                    message: 'was told to cancel an execution, and did not answer within the grace',
                    final: false,
                  },
                },
              ],
            },
            'memory.exceeded': {
              target: '#instance.running.stopping.killed',
              actions: [
                'closeSession',
                {
                  type: 'noteCause',
                  params: ({ event }) => ({
                    reason: 'memory',
                    code: 'MEMORY_EXCEEDED',
                    message: `its processes used ${event.bytes} bytes, more than maxMemory (${event.limit})`,
                    final: false,
                  }),
                },
              ],
            },
            stop: { target: 'stopping', actions: { type: 'noteStop', params: ({ event }) => ({ grace: event.grace }) } },
          },
          after: { stableUptime: { actions: 'clearAttempts' } },
          states: {
            ready: {
              description: 'Idle: no execution is in flight.',
              on: { 'work.begun': 'executing' },
            },
            executing: {
              description: 'At least one execution is in flight.',
              on: { 'work.finished': 'ready' },
            },
          },
        },
        reconnecting: {
          description: 'The session is lost, the program lives. Executions in flight wait for it to come back.',
          on: {
            'socket.accepted': {
              actions: [{ type: 'noteConnection', params: ({ event }) => ({ connectionId: event.connectionId }) }, 'spawnConnection'],
            },
            'session.claimed': [
              { guard: 'isPromised', actions: { type: 'deny', params: ({ event }) => ({ connectionId: event.connectionId }) } },
              {
                actions: [
                  { type: 'noteSession', params: ({ event }) => ({ connectionId: event.connectionId }) },
                  { type: 'grant', params: ({ event }) => ({ connectionId: event.connectionId }) },
                ],
              },
            ],
            'session.opened': {
              target: 'connected',
              actions: { type: 'openSession', params: ({ event }) => ({ connectionId: event.connectionId }) },
            },
            'process.exited': [
              {
                guard: { type: 'isClean', params: ({ event }) => ({ exitCode: event.exitCode, signal: event.signal }) },
                target: 'exiting',
                actions: [
                  { type: 'noteExit', params: ({ event }) => ({ exitCode: event.exitCode, signal: event.signal }) },
                  {
                    type: 'noteCause',
                    params: { reason: 'completed', code: 'INSTANCE_STOPPED', message: 'the program ended by itself', final: false },
                  },
                ],
              },
              {
                target: 'exiting',
                actions: [
                  { type: 'noteExit', params: ({ event }) => ({ exitCode: event.exitCode, signal: event.signal }) },
                  {
                    type: 'noteCause',
                    params: { reason: 'crashed', code: 'OUTCOME_UNKNOWN', message: 'the program crashed', final: false },
                  },
                ],
              },
            ],
            'memory.exceeded': {
              target: '#instance.running.stopping.killed',
              actions: [
                {
                  type: 'noteCause',
                  params: ({ event }) => ({
                    reason: 'memory',
                    code: 'MEMORY_EXCEEDED',
                    message: `its processes used ${event.bytes} bytes, more than maxMemory (${event.limit})`,
                    final: false,
                  }),
                },
              ],
            },
            stop: { target: 'stopping', actions: { type: 'noteStop', params: ({ event }) => ({ grace: event.grace }) } },
          },
          after: {
            reconnectWindow: [
              {
                guard: 'wasSilent',
                target: 'stopping',
                actions: {
                  type: 'noteCause',
                  params: {
                    reason: 'heartbeat',
                    code: 'HEARTBEAT_LOST',
                    message: 'frozen: it answered no heartbeat and did not come back',
                    final: false,
                  },
                },
              },
              {
                target: 'stopping',
                actions: {
                  type: 'noteCause',
                  params: { reason: 'link', code: 'LINK_LOST', message: 'did not come back within the reconnect window', final: false },
                },
              },
            ],
          },
        },
        stopping: {
          description: 'The program has to end, by request or because it failed: first asked, then signalled, then killed.',
          entry: 'beginLadder',
          initial: 'deciding',
          on: {
            stop: { actions: { type: 'noteStop', params: ({ context }) => ({ grace: context.patience }) } },
            'process.exited': {
              target: 'exiting',
              actions: { type: 'noteExit', params: ({ event }) => ({ exitCode: event.exitCode, signal: event.signal }) },
            },
            'process.failed': 'ended',
          },
          states: {
            deciding: {
              description: 'Which rung comes first.',
              always: [
                { guard: 'hasNoTime', target: 'killed' },
                { guard: 'isConnected', target: 'patient.asked', actions: 'drainSession' },
                { target: 'patient.signalled' },
              ],
            },
            patient: {
              description: 'It is given its grace to end by itself.',
              entry: 'lookAtTree',
              initial: 'signalled',
              on: {
                'memory.exceeded': 'killed',
                stop: {
                  guard: { type: 'isSooner', params: ({ event }) => ({ grace: event.grace }) },
                  target: 'deciding',
                  actions: { type: 'noteStop', params: ({ event }) => ({ grace: event.grace }) },
                },
              },
              after: { grace: 'killed' },
              states: {
                asked: {
                  description: 'The agent was told over its connection to end.',
                  entry: { type: 'climb', params: { rung: 'asked' } },
                  on: {
                    'connection.closed': {
                      guard: 'isExternal',
                      target: '#instance.running.ended',
                      actions: [
                        { type: 'forgetConnection', params: ({ event }) => ({ connectionId: event.connectionId }) },
                        { type: 'stopConnection', params: ({ event }) => ({ connectionId: event.connectionId }) },
                      ],
                    },
                  },
                  after: { terminateDelay: 'signalled' },
                },
                signalled: {
                  description: 'SIGTERM was sent to its process group.',
                  entry: [
                    { type: 'climb', params: { rung: 'signalled' } },
                    { type: 'signal', params: { signal: 'SIGTERM' } },
                  ],
                },
              },
            },
            killed: {
              description: 'SIGKILL is sent to it and to all that came of it. Only the kernel can be slow now.',
              entry: [
                { type: 'climb', params: { rung: 'killed' } },
                { type: 'signal', params: { signal: 'SIGKILL' } },
              ],
              after: { giveUpDelay: '#instance.running.ended' },
            },
          },
        },
        exiting: {
          description: 'The program is gone. What it has left is taken care of.',
          initial: 'draining',
          on: {
            stop: { actions: { type: 'noteStop', params: ({ event }) => ({ grace: event.grace }) } },
          },
          states: {
            draining: {
              description: 'What it wrote before its end is still being read.',
              always: { guard: 'isDrained', target: 'sweeping' },
              after: { drainDelay: 'sweeping' },
            },
            sweeping: {
              description: 'Nothing that came of it may live on: all of it is looked for and killed.',
              always: { guard: 'isSwept', target: '#instance.running.ended' },
              after: { sweepDelay: '#instance.running.ended' },
            },
          },
        },
        ended: {
          description: 'This incarnation is over. Its executions learn of it.',
          type: 'final',
        },
      },
      onDone: [
        { guard: 'isOver', target: 'stopped', actions: ['stopConnections', 'endIncarnation'] },
        { target: 'fallen', actions: ['stopConnections', 'endIncarnation'] },
      ],
    },
    fallen: {
      description: 'It fell although it should run. Falls within the restart period are counted.',
      entry: ['announceSettled', 'countFall', 'forgetFallLater'],
      always: [{ guard: 'fellTooOften', target: 'stopped', actions: 'noteRestartLimit' }, { target: 'backoff' }],
    },
    backoff: {
      description: 'Waiting before the next incarnation, longer after each fall, by a random share of the bound.',
      entry: 'countAttempt',
      on: { stop: { target: 'stopped', actions: { type: 'noteStop', params: ({ event }) => ({ grace: event.grace }) } } },
      after: { backoff: 'running' },
    },
    stopped: {
      description: 'Nothing of it is left, and nothing restarts.',
      type: 'final',
      entry: 'endInstance',
    },
  },
});
