// The whole engine with real sockets and real programs, on a clock that a test moves, with a gate before the actor under test.
import type { AnyActorRef } from 'xstate';
import type { Execution } from '../../src/execution/execution.ts';
import type { Instance, Spearlet, SpearletEvent, SpearletOptions } from '../../src/index.ts';
import type { Memory } from '../../src/process/memory.ts';
import { createPrograms } from '../../src/process/programs.ts';
import { processTable } from '../../src/process/tree/proc-table.ts';
import type { SpearMessage } from '../../src/protocol/message.ts';
import { createSpearletIn } from '../../src/spearlet.ts';
import type { Charts } from '../../src/supervisor/wiring.ts';
import { tcp } from '../../src/transport/tcp.ts';
import { realClock } from '../../src/world/clock.ts';
import { remember } from '../census/census.ts';
import { dialProver, type Prover } from '../situations/prover.ts';
import { agentFile, complete } from '../situations/world.ts';
import { type HandClock, handClock } from '../world/clock.ts';
import { createGate, type Gate, type Held } from './gate.ts';

/** Randomness with known values, which can be made to fail. */
export interface TestRandom {
  fraction(): number;
  token(): string;
  id(): string;
  readonly tokens: string[];
  /** This function throws when it is called. */
  broken: 'fraction' | 'token' | null;
}

/** The agent's end of a connection, played by the test. */
export interface AgentEnd extends Prover {
  /** Requests without a terminal response yet. */
  openRequests(): SpearMessage[];
  answer(request: SpearMessage): void;
}

/** `own`: every instance has a listener, where its connections arrive; `shared`: all connections arrive at the shared listener. */
export const listenerKinds = ['own', 'shared'] as const;
export type ListenerKind = (typeof listenerKinds)[number];

export interface Stage {
  readonly clock: HandClock;
  readonly random: TestRandom;
  readonly gate: Gate;
  /** Reports to all memory watches that the limit is exceeded. */
  exceedMemory(): void;
  readonly spearlet: Spearlet;
  readonly events: SpearletEvent[];
  readonly executions: Execution[];
  /** By connection id. */
  readonly agentEnds: Map<string, AgentEnd>;
  connect(address: string): Promise<AgentEnd>;
  execute(instance: Instance): Execution;
  /** For each execution the number of terminal updates, and of settlements of its result. */
  ends(): { readonly updates: number; readonly results: number }[];
  /** Opens the gate and stops the spearlet. Throws where stop() does not resolve. */
  stop(): Promise<void>;
  /** Stops all actors and closes all sockets, in any state of the charts. */
  abandon(): void;
}

export interface StageOptions {
  readonly options: SpearletOptions;
  readonly charts: Charts | undefined;
  readonly isSubject: (actor: AnyActorRef & { logic: { id?: string } }) => boolean;
  readonly holds: (event: Held['event'], subject: AnyActorRef) => boolean;
}

/** How often the source of tokens may throw in one walk. */
const MAX_THROWS = 1_000;
/** How long a stop may take, in ms: less than the chart waits for the end of a killed program. */
const STOP_LIMIT = 4_000;

/** Real programs on the real clock. Only the memory samples are replaced. */
const programs = createPrograms(processTable, realClock);

/** The nth random id. It contains the pid of this process, so that test processes do not end each other's programs by cookie. */
export const idOf = (n: number): string => process.pid.toString(16).padStart(5, '0') + String(n).padStart(3, '0');

/** A program that prints `up`, and then ends on a signal. */
export const obedient = agentFile('obedient.sh');

export function openStage({ options, charts, isSubject, holds }: StageOptions): Stage {
  const clock = handClock();
  const gate = createGate(isSubject as never, holds);
  let root: AnyActorRef | null = null;
  let ids = 0;
  let throws = 0;
  const random: TestRandom = {
    tokens: [],
    broken: null,
    fraction() {
      if (random.broken === 'fraction') throw new Error('the random source is broken');
      return 0.5;
    },
    token() {
      // A mutant may start again and again without a turn of the event loop: no timer of the walk would ever end this.
      if (random.broken === 'token' && (throws += 1) <= MAX_THROWS) throw new Error('the token source is broken');
      const token = `token ${random.tokens.length + 1}`;
      random.tokens.push(token);
      return token;
    },
    id() {
      ids += 1;
      return idOf(ids);
    },
  };
  const watched = new Set<() => void>();
  const memory: Memory = {
    ...programs.memory,
    watch(_, limit, exceeded) {
      const exceed = (): void => exceeded(limit + 1);
      watched.add(exceed);
      return { bytes: 0, peak: limit + 1, stop: () => void watched.delete(exceed) };
    },
  };
  const spearlet = createSpearletIn(
    { clock, random, programs: { ...programs, memory }, network: tcp, environment: process.env, workingDirectory: process.cwd() },
    {
      logger: false,
      ...options,
      inspect: (event: { type: string; actorRef: AnyActorRef }) => {
        root ??= event.actorRef;
        gate.inspect(event);
      },
    },
    charts,
  );
  const events: SpearletEvent[] = [];
  spearlet.events$.subscribe(event => {
    events.push(event);
    if (event.instanceId !== null) remember(event.instanceId);
  });
  const executions: Execution[] = [];
  const ends: { updates: number; results: number }[] = [];
  const sockets: AgentEnd[] = [];

  return {
    clock,
    random,
    gate,
    exceedMemory() {
      for (const exceed of [...watched]) exceed();
    },
    spearlet,
    events,
    executions,
    agentEnds: new Map(),
    async connect(address) {
      const peer = await dialProver(address);
      const answered = new Set<SpearMessage>();
      const agentEnd: AgentEnd = Object.assign(peer, {
        openRequests: () => peer.received.filter(each => each.type === 'ExecuteRequest' && !answered.has(each)),
        answer(request: SpearMessage) {
          answered.add(request);
          peer.send(...complete(request, 'done'));
        },
      });
      sockets.push(agentEnd);
      return agentEnd;
    },
    execute(instance) {
      const execution = instance.execute({ command: 'work' });
      const end = { updates: 0, results: 0 };
      ends.push(end);
      executions.push(execution);
      execution.updates$.subscribe(update => {
        if (update.status === 'completed' || update.status === 'failed') end.updates += 1;
      });
      const settled = (): void => void (end.results += 1);
      execution.result.then(settled, settled);
      return execution;
    },
    ends: () => ends,
    async stop() {
      gate.open();
      random.broken = null;
      let stopped = false;
      const stopping = spearlet.stop({ grace: 0 }).finally(() => {
        stopped = true;
      });
      // As when the programs are killed.
      for (const socket of sockets) socket.close();
      // From here on, simulated time follows real time.
      for (let ms = 0; !stopped && ms < STOP_LIMIT; ms += 1) {
        await new Promise(later => setTimeout(later, 1));
        clock.pass(1);
      }
      if (!stopped) throw new Error('stop() did not resolve');
      await stopping;
    },
    abandon() {
      gate.open();
      (root as unknown as { stop(): void }).stop();
      for (const socket of sockets) socket.close();
    },
  };
}
