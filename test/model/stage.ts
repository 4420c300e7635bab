// The whole engine, with real sockets and real programs, on a clock and behind a gate that a test moves.
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
import { agentFile, complete, dial, type HandPeer } from '../situations/world.ts';
import { type HandClock, handClock } from '../world/clock.ts';
import { createGate, type Gate, type Held } from './gate.ts';

/** What is drawn by lot in the world is known here, and can be made to fail. */
export interface TestRandom {
  fraction(): number;
  token(): string;
  id(): string;
  readonly tokens: string[];
  /** The next call of it throws. */
  broken: 'fraction' | 'token' | null;
}

/** A socket that the test holds the far end of. */
export interface Far extends HandPeer {
  /** Requests that it has not answered yet. */
  asked(): SpearMessage[];
  answer(request: SpearMessage): void;
}

export interface Stage {
  readonly clock: HandClock;
  readonly random: TestRandom;
  readonly gate: Gate;
  /** Programs whose memory is watched take more than they may. */
  exceedMemory(): void;
  readonly spearlet: Spearlet;
  readonly events: SpearletEvent[];
  readonly executions: Execution[];
  /** Sockets by the connection id that they got. */
  readonly far: Map<string, Far>;
  connect(address: string): Promise<Far>;
  execute(instance: Instance): Execution;
  /** How often each execution ended, as its caller sees it: [statuses that are terminal, settlements of its result]. */
  ends(): { readonly updates: number; readonly results: number }[];
  /** Lets everything through and stops the spearlet; throws where it does not come to an end. */
  stop(): Promise<void>;
  /** Ends it whatever state its charts are in. */
  abandon(): void;
}

export interface StageOptions {
  readonly options: SpearletOptions;
  readonly charts: Charts | undefined;
  readonly isSubject: (actor: AnyActorRef & { logic: { id?: string } }) => boolean;
  readonly holds: (event: Held['event'], subject: AnyActorRef) => boolean;
}

/** How long a stop may take, in ms: less than the chart waits for a program that does not end when it is killed. */
const PATIENCE = 4_000;

/** Real programs on the real clock; how much memory they take is the test's to say. */
const programs = createPrograms(processTable, realClock);

/** Its ids are no other process's: programs are ended by the id of their instance. */
export const idOf = (n: number): string => process.pid.toString(16).padStart(5, '0') + String(n).padStart(3, '0');

/** Ends when it is told to by a signal, says `up` first. */
export const obedient = agentFile('obedient.sh');

export function openStage({ options, charts, isSubject, holds }: StageOptions): Stage {
  const clock = handClock();
  const gate = createGate(isSubject as never, holds);
  let root: AnyActorRef | null = null;
  let ids = 0;
  const random: TestRandom = {
    tokens: [],
    broken: null,
    fraction() {
      if (random.broken === 'fraction') throw new Error('no random today');
      return 0.5;
    },
    token() {
      if (random.broken === 'token') throw new Error('no token today');
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
  const sockets: Far[] = [];

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
    far: new Map(),
    async connect(address) {
      const peer = await dial(address);
      const answered = new Set<SpearMessage>();
      const far: Far = Object.assign(peer, {
        asked: () => peer.received.filter(each => each.type === 'ExecuteRequest' && !answered.has(each)),
        answer(request: SpearMessage) {
          answered.add(request);
          peer.send(...complete(request, 'done'));
        },
      });
      sockets.push(far);
      return far;
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
      // Programs that are killed take their sockets with them.
      for (const far of sockets) far.close();
      // Time runs along with the real one now.
      for (let ms = 0; !stopped && ms < PATIENCE; ms += 1) {
        await new Promise(later => setTimeout(later, 1));
        clock.pass(1);
      }
      if (!stopped) throw new Error('stop() did not come to an end');
      await stopping;
    },
    abandon() {
      gate.open();
      (root as unknown as { stop(): void }).stop();
      for (const far of sockets) far.close();
    },
  };
}
