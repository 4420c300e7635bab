// Causes each event of the supervisor chart in the running engine, with real instances as its children.
import type { AnyMachineSnapshot } from 'xstate';
import { type SupervisorContext, supervisorMachine } from '../../machines/index.ts';
import type { Instance } from '../../src/index.ts';
import type { Charts } from '../../src/supervisor/wiring.ts';
import { authRequest, seen } from '../situations/world.ts';
import { type ModelEvent, pathsOf, type Step } from './paths.ts';
import { type AgentEnd, type ListenerKind, obedient, openStage } from './stage.ts';
import { type Played, play, receive } from './walk.ts';

const FOREVER = 2 ** 31 - 1;
const ACTOR_IDS = ['instance-1', 'instance-2', 'instance-3'];

export const supervisorInput = { maxConcurrentStarts: 1 };

const cases =
  (listener: ListenerKind) =>
  (type: string, snapshot: AnyMachineSnapshot): ModelEvent[] => {
    const { instances, starting, waiting } = snapshot.context as SupervisorContext;
    switch (type) {
      case 'start':
        return ACTOR_IDS.filter(actorId => !instances.includes(actorId))
          .slice(0, 1)
          .map(actorId => ({ type, instance: { actorId } }));
      case 'startSlot.requested':
        return instances
          .filter(actorId => ![...starting, ...waiting].some(each => each.actorId === actorId))
          .map(actorId => ({ type, actorId, restart: false }));
      case 'startSlot.released':
        // With a shared listener the connection of the agent would be unrouted first.
        return listener === 'own' ? starting.map(({ actorId }) => ({ type, actorId })) : [];
      case 'xstate.done.actor.*':
        return instances.map(actorId => ({ type: `xstate.done.actor.${actorId}`, actorId }));
      case 'xstate.error.actor.*':
        return listener === 'own' ? instances.map(actorId => ({ type: `xstate.error.actor.${actorId}`, actorId })) : [];
      case 'socket.accepted':
        return listener === 'shared' && starting.length > 0 ? [{ type, connectionActorId: 'connection-1' }] : [];
      case 'stop':
        return [{ type, grace: snapshot.matches('stopping') ? 0 : 100 }];
      default:
        return [];
    }
  };

const [one, two] = ACTOR_IDS as [string, string];
const start = (actorId: string): ModelEvent => ({ type: 'start', instance: { actorId } });
const queued = (actorId: string): ModelEvent => ({ type: 'startSlot.requested', actorId, restart: false });
const failed = (actorId: string): ModelEvent => ({ type: `xstate.error.actor.${actorId}`, actorId });
/** Only the chart of an instance that was ready can fail, and a second stop has an effect only where a program still runs. */
const longer: ModelEvent[][] = [
  [start(one), queued(one), { type: 'stop', grace: 100 }, { type: 'stop', grace: 0 }],
  [start(one), queued(one), { type: 'startSlot.released', actorId: one }, failed(one), start(one)],
  [
    ...[start(one), start(two), queued(one), queued(two)],
    ...[
      { type: 'startSlot.released', actorId: one },
      failed(one),
      { type: 'startSlot.released', actorId: two },
      { type: 'stop', grace: 100 },
    ],
  ],
];

/** The model does not know which events an instance has sent, and that only the chart of one that was ready can fail. */
function feasible(steps: readonly Step[]): number {
  const queued = new Set<unknown>();
  const settled = new Set<unknown>();
  let accepted = false;
  let stopping = false;
  for (const [i, { event }] of steps.entries()) {
    const { type } = event;
    const actorId = (event.actorId as string | undefined) ?? /\.actor\.(.+)$/.exec(type)?.[1];
    if (type === 'startSlot.requested') {
      if (queued.has(actorId)) return i;
      queued.add(actorId);
    }
    if (type === 'stop') stopping = true;
    if (type === 'startSlot.released') {
      // After a stop, a starting instance does not become ready.
      if (settled.has(actorId) || stopping) return i;
      settled.add(actorId);
    }
    if (type.startsWith('xstate.error.actor.') && (!settled.has(actorId) || stopping)) return i;
    // Events of one instance keep their order.
    if (type.startsWith('xstate.done.actor.') && !queued.has(actorId)) return i;
    if (/^xstate\.(done|error)\.actor\./.test(type)) for (const each of [queued, settled]) each.delete(actorId);
    if (type === 'socket.accepted') {
      if (accepted || stopping) return i;
      accepted = true;
    }
  }
  return steps.length;
}

export const supervisorPaths = (listener: ListenerKind): Step[][] =>
  pathsOf({
    machine: supervisorMachine,
    input: supervisorInput,
    cases: cases(listener),
    bits: ((c: SupervisorContext) => [c.instances.length, c.starting.length, c.waiting.length]) as never,
    feasible,
    byContext: true,
    also: listener === 'own' ? longer : [],
  });

/** Plays one path against the engine. */
export async function playSupervisor(listener: ListenerKind, steps: readonly Step[], charts?: Charts): Promise<Played> {
  const requests: ModelEvent[] = [];
  const stage = openStage({
    charts,
    options: {
      ports: 0,
      listener: listener === 'own' ? 'perInstance' : 'shared',
      maxConcurrentStarts: supervisorInput.maxConcurrentStarts,
      connectTimeout: FOREVER,
      reconnectWindow: FOREVER,
      authTimeout: FOREVER,
      heartbeat: { interval: FOREVER },
    },
    isSubject: actor => actor.logic.id === 'supervisor',
    holds(event) {
      // Requests of the caller are not held.
      if (event.type === 'start' || event.type === 'stop') requests.push(event);
      return /^(instance\.|socket\.|xstate\.(done|error)\.actor\.instance)/.test(event.type);
    },
  });
  const { spearlet, gate, random } = stage;

  interface Started {
    readonly instance: Instance;
    readonly token: string;
    readonly actorId: string;
    agentEnd: AgentEnd | null;
  }
  /** By the actor id in the model: the engine can use another one. */
  const started = new Map<string, Started>();
  const every: Started[] = [];
  const pids: number[] = [];

  const arrived = (type: string, actorId: string): Promise<ModelEvent> =>
    receive(stage, event => event.type === type && (event.actorId ?? actorId) === actorId);
  const last = (): ModelEvent => requests.at(-1)!;

  const perform = async (event: ModelEvent): Promise<readonly ModelEvent[]> => {
    const { type } = event;
    const [, kind, named] = /^xstate\.(done|error)\.actor\.(.+)$/.exec(type) ?? [];
    const model = named ?? (event.actorId as string | undefined) ?? '';
    const current = started.get(model);
    switch (kind ?? type) {
      case 'start': {
        const before = new Set(spearlet.instances);
        spearlet.start({ artifactId: 'subject', command: obedient, restart: 'permanent' }).catch(() => {});
        await null;
        const instance = spearlet.instances.find(each => !before.has(each))!;
        const { actorId } = last().instance as { actorId: string };
        const one = { instance, token: random.tokens.at(-1)!, actorId, agentEnd: null };
        started.set((event.instance as { actorId: string }).actorId, one);
        every.push(one);
        return [last()];
      }
      case 'stop':
        // Before it has printed `up`, a program does not ignore SIGTERM.
        for (const { instance } of started.values())
          if (instance.pid !== null && event.grace !== 0) await seen(instance.output$, chunk => chunk.text.includes('up'));
        void spearlet.stop({ grace: event.grace as number });
        // The second stop has no grace: all instances end.
        if (event.grace === 0)
          for (const { actorId, agentEnd } of started.values()) {
            agentEnd?.close();
            await gate.wait(each => each.type === `xstate.done.actor.${actorId}`);
          }
        return [last()];
      case 'startSlot.requested':
        return [await arrived(type, current!.actorId)];
      case 'startSlot.released': {
        const { instance, token } = current!;
        current!.agentEnd = await stage.connect(instance.address!);
        current!.agentEnd.send('AuthRequest', 1, authRequest({ SPEARLET_INSTANCE_ID: instance.id, SPEARLET_TOKEN: token }));
        return [await arrived(type, current!.actorId)];
      }
      case 'done':
        current!.agentEnd?.close();
        if (current!.instance.pid !== null) pids.push(current!.instance.pid);
        void current!.instance.stop({ grace: 0 });
        started.delete(model);
        return [await arrived(`xstate.done.actor.${current!.actorId}`, current!.actorId)];
      case 'error': {
        // The delay of the backoff needs the random source, which is broken: so the chart fails.
        const { instance, agentEnd, actorId } = current!;
        await seen(instance.output$, chunk => chunk.text.includes('up'));
        pids.push(instance.pid!);
        random.broken = 'fraction';
        process.kill(instance.pid!, 'SIGUSR2');
        agentEnd!.close();
        const arrivedEvent = await arrived(`xstate.error.actor.${actorId}`, actorId);
        random.broken = null;
        started.delete(model);
        return [arrivedEvent];
      }
      default: {
        const agentEnd = await stage.connect(every.at(-1)!.instance.address ?? every[0]!.instance.address!);
        const arrivedEvent = await receive(stage, each => each.type === type);
        // An instance exists, so the connection gets an answer.
        agentEnd.send('AuthRequest', 1, authRequest({ SPEARLET_INSTANCE_ID: 'nobody', SPEARLET_TOKEN: 'nothing' }));
        await agentEnd.next('AuthResponse');
        // The answer is a refusal, after which the connection has ended.
        const actorId = arrivedEvent.connectionActorId as string;
        return [arrivedEvent, { type: `xstate.done.actor.${actorId}`, actorId }];
      }
    }
  };

  const check = (): void => {
    const starting = spearlet.instances.filter(each => each.state === 'listening' || each.state === 'authenticating');
    if (starting.length > supervisorInput.maxConcurrentStarts) throw new Error(`${starting.length} instances start at once`);
  };

  let finding: string | null = null;
  try {
    finding = await play({ stage, machine: supervisorMachine, input: supervisorInput, steps, perform, check });
    if (finding === null) {
      await stage.stop();
      if (spearlet.instances.length > 0) finding = 'an instance is left';
      const stops = stage.events.filter(each => each.type === 'instance.state' && each.state === 'stopped').length;
      if (stops !== every.length) finding = `${every.length} were started, ${stops} stopped`;
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
    if (finding !== null) stage.abandon();
  }
  return { finding, taken: gate.taken, visited: gate.visited };
}
