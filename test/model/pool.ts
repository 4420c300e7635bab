// Causes each event of the pool chart in the running engine, with real programs as the members of the pool.
import type { AnyMachineSnapshot } from 'xstate';
import { type PoolContext, poolMachine } from '../../machines/index.ts';
import type { Execution, Instance, Pool, PoolOptions } from '../../src/index.ts';
import type { Charts } from '../../src/supervisor/wiring.ts';
import { authRequest, seen } from '../situations/world.ts';
import { type ModelEvent, pathsOf, type Step } from './paths.ts';
import { type AgentEnd, idOf, obedient, openStage } from './stage.ts';
import { delayOf, elapse, type Played, play, receive } from './walk.ts';

const FOREVER = 2 ** 31 - 1;
const GRACE = 100;
const IDLE = 5_000;
const PERIOD = 1_000;
const BACKOFF = { min: 50, max: 100 };
/** One more failure than this ends a pool without members. */
const INTENSITY = 1;
const MAX_FAILURES = 2;

export interface PoolKind {
  readonly name: string;
  readonly options: PoolOptions & { readonly min: number; readonly max: number };
}

/** `growing`: executions come, and members become idle; `recycling`: members execute enough; `opening`: two members open it. */
export const poolKinds: readonly PoolKind[] = [
  { name: 'growing', options: { min: 1, max: 3, idle: IDLE } },
  { name: 'recycling', options: { min: 1, max: 2, idle: IDLE, recycleAfter: 2 } },
  { name: 'opening', options: { min: 2, max: 2, idle: IDLE } },
];

export const poolInput = ({ options: { min } }: PoolKind) => ({
  poolId: `subject-pool-${idOf(1)}`,
  min,
  wanted: min,
  intensity: INTENSITY,
  grace: GRACE,
});

const servingOf = ({ members, starting, leaving }: PoolContext): number => members - starting - leaving;
const isDraining = (snapshot: AnyMachineSnapshot): boolean => snapshot.matches({ running: { intake: 'draining' } });

/** A walk never ends an execution before the path does, unless the event wants it. So the load is known: see `wanted`. */
const cases =
  ({ name, options: { min, max } }: PoolKind) =>
  (type: string, snapshot: AnyMachineSnapshot): ModelEvent[] => {
    const context = snapshot.context as PoolContext;
    const { wanted, starting, leaving, failures, due, members } = context;
    const serving = servingOf(context);
    const stopping = snapshot.matches('stopping');
    const opening = snapshot.matches({ running: { members: 'opening' } });
    const draining = isDraining(snapshot);
    /** The member that is lost has run one of the executions. */
    const less = Math.max(draining ? 0 : min, wanted - 1);
    const failure = { code: 'EXITED_BEFORE_READY', message: 'ended' };
    switch (type) {
      case 'load.rose':
        return name !== 'growing' || draining || leaving > 0 || wanted >= max ? [] : [{ type, wanted: wanted + 1 }];
      case 'member.ready':
        return starting > 0 ? [{ type, instanceId: 'new', wanted }] : [];
      case 'member.failed':
        return starting > 0 && failures < MAX_FAILURES ? [{ type, ...failure, wanted }] : [];
      case 'member.lost':
        return serving > 0 && failures < MAX_FAILURES ? [{ type, instanceId: due ?? 'member', ...failure, wanted: less }] : [];
      case 'member.due':
        return name === 'recycling' && serving > 0 && due === null && leaving === 0 && !opening && !draining
          ? [{ type, instanceId: 'member', wanted: 1 }]
          : [];
      case 'member.retired':
        return name === 'growing' && snapshot.matches({ running: { members: 'grown' } })
          ? [{ type, instanceId: 'member', wanted: min }]
          : [];
      case 'member.ended':
        return (stopping ? members - starting : leaving) > 0 ? [{ type, instanceId: 'member', wanted }] : [];
      case 'work.ended':
        return serving > 0 || wanted === 0 ? [{ type }] : [];
      case 'failure.expired':
        return failures > 0 && starting === 0 && leaving === 0 && !stopping && !snapshot.matches({ running: { members: 'backoff' } })
          ? [{ type }]
          : [];
      case 'stop':
        if (stopping) return context.grace > 0 ? [{ type, drain: false, grace: 0 }] : [];
        return name === 'growing' || draining
          ? [
              { type, drain: true, grace: GRACE },
              { type, drain: false, grace: GRACE },
            ]
          : [{ type, drain: false, grace: GRACE }];
      default:
        return delayOf(type) === 'idleTime' && (failures > 0 || leaving > 0) ? [] : leaving > 0 ? [] : [{ type }];
    }
  };

const rose = (wanted: number): ModelEvent => ({ type: 'load.rose', wanted });
const ready = (wanted: number): ModelEvent => ({ type: 'member.ready', instanceId: 'new', wanted });
const idleTime: ModelEvent = { type: 'xstate.after.idleTime.pool.running.members.grown' };
const retired: ModelEvent = { type: 'member.retired', instanceId: 'member', wanted: 1 };
const ended: ModelEvent = { type: 'member.ended', instanceId: 'member', wanted: 1 };
/** Members are retired only after the idle time, which the model does not know. */
const longer: ModelEvent[][] = [
  [rose(2), ready(2), ready(2), idleTime, retired, ended, rose(2), ready(2), { type: 'stop', drain: false, grace: GRACE }],
  [rose(2), rose(3), ready(3), ready(3), ready(3), idleTime, retired, retired, ended, ended],
];

/** The model does not know which events follow from each other. */
function feasible(steps: readonly Step[]): number {
  let retirable = 0;
  for (const [i, { event, state }] of steps.entries()) {
    const { type } = event;
    const before = i === 0 ? null : (steps[i - 1]!.state.context as PoolContext);
    if (type === 'member.retired') {
      // Those that are idle are retired together, by the timer.
      if (retirable === 0) return i;
      retirable -= 1;
    } else if (retirable > 0 && steps[i - 1]!.event.type === 'member.retired') return i;
    else retirable = 0;
    if (delayOf(type) === 'idleTime') retirable = before === null ? 0 : servingOf(before) - before.min;
    if (type === 'stop' && isDraining(state) && before !== null && servingOf(before) === 0) return i;
  }
  return retirable > 0 && steps.at(-1)?.event.type === 'member.retired' ? steps.length - 1 : steps.length;
}

export const poolPaths = (kind: PoolKind, seenSteps?: Set<string>): Step[][] =>
  pathsOf({
    machine: poolMachine,
    input: poolInput(kind),
    cases: cases(kind),
    bits: ((c: PoolContext) => [
      ...[servingOf(c), c.starting, Math.min(1, c.leaving), c.due === null, Math.min(1, c.failures), c.wanted],
    ]) as never,
    future: () => null,
    feasible,
    also: kind.name === 'growing' ? longer : [],
    ...(seenSteps === undefined ? {} : { seen: seenSteps }),
  });

/** Plays one path against the engine. */
export async function playPool(kind: PoolKind, steps: readonly Step[], charts?: Charts): Promise<Played> {
  const stops: ModelEvent[] = [];
  const stage = openStage({
    charts,
    options: {
      ports: 0,
      connectTimeout: FOREVER,
      reconnectWindow: FOREVER,
      authTimeout: FOREVER,
      grace: GRACE,
      heartbeat: { interval: FOREVER },
      restart: { intensity: INTENSITY, period: PERIOD, backoff: BACKOFF },
      maxConcurrentStarts: 10,
    },
    isSubject: actor => actor.logic.id === 'pool',
    holds(event) {
      if (event.type === 'stop') stops.push(event);
      return /^(load|member|work)\./.test(event.type);
    },
  });
  const { spearlet, gate, random } = stage;
  /** In the order of their start, which is that of their tokens. */
  const started: string[] = [];
  const ends = new Map<string, AgentEnd>();
  const pids = new Set<number>();
  spearlet.events$.subscribe(event => {
    if (event.type === 'instance.state' && !started.includes(event.instanceId)) started.push(event.instanceId);
    if (event.type === 'instance.spawned') pids.add(event.pid);
  });
  const executions: Execution[] = [];
  const settled = new Set<Execution>();
  const pool: Pool = spearlet.pool({ artifactId: 'subject', command: obedient }, kind.options);
  pool.ready.catch(() => {});

  const execute = (): void => {
    const execution = pool.execute({ command: 'work' });
    executions.push(execution);
    const end = (): void => void settled.add(execution);
    execution.result.then(end, end);
  };
  /** A step that waits in vain must not go on after its walk. */
  let isOver = false;
  const turn = async (): Promise<void> => {
    await new Promise(resolve => setTimeout(resolve, 1));
    if (isOver) throw new Error('the walk is over');
  };
  const isHeld = (type: string): boolean => gate.held.some(({ event }) => event.type === type);
  const received = (type: string): Promise<ModelEvent> => receive(stage, event => event.type === type);

  /** An instance that has printed `up`, so that it obeys signals. */
  const upAndStarting = async (): Promise<Instance> => {
    for (;;) {
      const instance = spearlet.instances.find(({ id, state, pid }) => !ends.has(id) && state === 'listening' && pid !== null);
      if (instance !== undefined) {
        await seen(instance.output$, chunk => chunk.text.includes('up'));
        return instance;
      }
      await turn();
    }
  };
  const killed = new Set<number>();
  const kill = (instance: Instance): void => {
    killed.add(instance.pid!);
    process.kill(instance.pid!, 'SIGKILL');
    ends.get(instance.id)?.close();
  };
  const answerAll = async (): Promise<void> => {
    for (const [id, agentEnd] of ends) {
      if (spearlet.get(id) === undefined) continue;
      for (const request of agentEnd.openRequests()) agentEnd.answer(request);
    }
    await turn();
  };
  const member = (isWanted: (stats: { instanceId: string; running: number; leaving: boolean }) => boolean): Instance => {
    const found = pool.stats().members.find(isWanted);
    if (found === undefined) throw new Error('there is no such member');
    return spearlet.get(found.instanceId)!;
  };

  const perform = async (event: ModelEvent, ahead: readonly ModelEvent[]): Promise<readonly ModelEvent[]> => {
    const { type } = event;
    switch (type) {
      case 'load.rose':
        while (!isHeld(type)) execute();
        return [await received(type)];
      case 'member.ready': {
        const instance = await upAndStarting();
        const agentEnd = await stage.connect(instance.address!);
        ends.set(instance.id, agentEnd);
        const token = random.tokens[started.indexOf(instance.id)]!;
        agentEnd.send('AuthRequest', 1, authRequest({ SPEARLET_INSTANCE_ID: instance.id, SPEARLET_TOKEN: token }));
        return [await received(type)];
      }
      case 'member.failed':
        // While the pool stops, its starts are aborted.
        if (!gate.subject.getSnapshot().matches('stopping')) kill(await upAndStarting());
        return [await received(type)];
      case 'member.lost': {
        const { due } = gate.subject.getSnapshot().context as PoolContext;
        const busiest = Math.max(...pool.stats().members.map(({ running, leaving }) => (leaving ? -1 : running)));
        kill(member(({ instanceId, running, leaving }) => (due === null ? !leaving && running === busiest : instanceId === due)));
        return [await received(type)];
      }
      case 'member.due':
        while (!isHeld(type)) {
          await answerAll();
          if (!isHeld(type) && pool.stats().running + pool.stats().waiting === 0) execute();
        }
        return [await received(type)];
      case 'member.retired':
        return [await received(type)];
      case 'member.ended': {
        while (!isHeld(type)) {
          await answerAll();
          for (const { instanceId, leaving } of pool.stats().members) {
            const instance = spearlet.get(instanceId);
            if (!leaving || instance?.state !== 'stopping' || killed.has(instance.pid!)) continue;
            kill(instance);
            break;
          }
        }
        return [await received(type)];
      }
      case 'work.ended':
        while (!isHeld(type)) await answerAll();
        return [await received(type)];
      case 'stop':
        // A drain without an execution would be over at once.
        if (event.drain && executions.length === settled.size) execute();
        void pool.stop({ drain: event.drain as boolean, grace: event.grace as number });
        return [stops.at(-1)!];
      case 'failure.expired':
        return [elapse(stage, type, PERIOD)];
      default: {
        const { failures } = gate.subject.getSnapshot().context as PoolContext;
        const backoff = Math.round((BACKOFF.min + Math.min(BACKOFF.max, BACKOFF.min * 2 ** (failures - 1))) / 2);
        if (delayOf(type) === 'idleTime' && ahead[0]?.type === 'member.retired')
          while (pool.stats().running + pool.stats().waiting > 0) await answerAll();
        return [elapse(stage, type, delayOf(type) === 'idleTime' ? IDLE : backoff)];
      }
    }
  };

  const check = (): void => {
    const { members } = pool.stats();
    if (members.length > kind.options.max + 1) throw new Error(`${members.length} members`);
  };

  let finding: string | null = null;
  try {
    finding = await play({ stage, machine: poolMachine, input: poolInput(kind), steps, perform, check });
    if (finding === null) {
      await stage.stop();
      await turn();
      if (spearlet.instances.length > 0) finding = 'an instance is left';
      if (pool.state !== 'stopped') finding = `the pool is ${pool.state}`;
      if (settled.size !== executions.length) finding = `${executions.length} executions, ${settled.size} settled`;
      for (const pid of pids) {
        try {
          process.kill(pid, 0);
          finding = `process ${pid} is left`;
        } catch {
          // The process has ended, as it should.
        }
      }
    }
  } catch (thrown) {
    finding = `${steps.map(step => step.event.type).join(' > ')}: ${(thrown as Error).message}`;
  } finally {
    isOver = true;
    if (finding !== null) stage.abandon();
  }
  return { finding, taken: gate.taken, visited: gate.visited };
}
