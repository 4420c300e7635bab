// XState's inspection events as flat records: what an actor's chart did, and why. It keeps the end of each actor's story for
// as long as that actor, and nothing of a snapshot or a context. It knows no instance and no socket.
import type { AnyActorRef, AnyMachineSnapshot, AnyStateMachine, AnyStateNode, AnyTransitionDefinition, InspectionEvent } from 'xstate';
import { bounds } from '../options.ts';
import type { Clock } from '../world.ts';
import { describe, type Fact, harmlessOf, type TraceRecord } from './happening.ts';

/** A transition in an actor's story. Where it is taken again and again, alone or in turn with one or two others, it is kept once. */
export interface Move {
  /** The last time. */
  readonly record: TraceRecord;
  readonly count: number;
  /** The first time, in ms since 1970. */
  readonly first: number;
}

export interface ActorTrace {
  /** The label of a connection. */
  readonly connectionId: string | null;
  /** The active states of the chart, and since when its innermost ones are, by their path, in ms since 1970. */
  readonly nodes: readonly AnyStateNode[];
  readonly since: ReadonlyMap<string, number>;
  /** Pending timeouts: `xstate.after.NAME.STATE` → when it is due, on the monotonic clock. */
  readonly timers: ReadonlyMap<string, number>;
  readonly moves: readonly Move[];
  /** Of an instance, by the names its chart has for them; such names are used again. */
  readonly connections: ReadonlyMap<string, ActorTrace>;
}

export interface Trace {
  next(event: InspectionEvent): void;
  of(instanceId: string): ActorTrace | undefined;
  forget(instanceId: string): void;
  /** Hears of every happening from now on, until what it returns is called. */
  follow(listener: (record: TraceRecord) => void): () => void;
}

/** So many transitions may take turns and are still kept once each: heartbeats go round three. */
const RHYTHM = 3;
const NOTHING = {};

interface Actor {
  readonly session: string;
  readonly parent: string | null;
  readonly machine: string;
  readonly instanceId: string | null;
  readonly connectionId: string | null;
  nodes: readonly AnyStateNode[];
  since: Map<string, number>;
  readonly timers: Map<string, number>;
  readonly moves: { record: TraceRecord; count: number; first: number }[];
  readonly connections: Map<string, Actor>;
}

/** A state as a path: its id without that of its machine. */
export const pathOf = (node: AnyStateNode): string => node.id.slice(node.machine.id.length + 1);
export const innermost = (node: AnyStateNode): boolean => node.type === 'atomic' || node.type === 'final';

/** `label` is the public name of a connection, by its instance (null: of the shared listener) and its name in the chart. */
export function createTrace(
  clock: Pick<Clock, 'now' | 'wall'>,
  label: (instanceId: string | null, connectionId: string) => string | undefined,
): Trace {
  // By the actor itself, so that whatever becomes of it, nothing is left behind.
  const actors = new WeakMap<object, Actor>();
  const instances = new Map<string, Actor>();
  const described = new WeakMap<AnyTransitionDefinition, ReturnType<typeof describe>>();
  const followers = new Set<(record: TraceRecord) => void>();

  const tell = (record: TraceRecord): void => {
    for (const follower of followers) follower(record);
  };

  const factsOf = (event: object, actor: Actor): Readonly<Record<string, Fact>> => {
    const facts = harmlessOf(event);
    if (facts === null) return NOTHING;
    const id = facts.connectionId;
    if (typeof id === 'string') facts.connectionId = label(actor.instanceId, id) ?? actor.connections.get(id)?.connectionId ?? id;
    return facts;
  };

  const record = (actor: Actor, kind: TraceRecord['kind'], event: string | null, more: Partial<TraceRecord>): TraceRecord => ({
    at: clock.wall(),
    kind,
    actor: actor.session,
    parent: actor.parent,
    machine: actor.machine,
    instanceId: actor.instanceId,
    connectionId: actor.connectionId,
    event,
    facts: more.facts ?? NOTHING,
    source: more.source ?? null,
    from: more.from ?? null,
    to: more.to ?? null,
    guard: more.guard ?? null,
    edge: more.edge ?? null,
    actions: more.actions ?? [],
  });

  const born = (ref: AnyActorRef): void => {
    const machine = (ref as { logic?: AnyStateMachine }).logic;
    if (machine?.root === undefined) return;
    const { input = {} } = (ref as { options?: { input?: { instanceId?: string | null; connectionId?: string } } }).options ?? {};
    const parent = ref._parent === undefined ? undefined : actors.get(ref._parent);
    const { instanceId = null, connectionId } = input;
    const actor: Actor = {
      session: ref.sessionId,
      parent: parent?.session ?? null,
      machine: machine.id,
      instanceId,
      connectionId: connectionId === undefined ? null : (label(instanceId, connectionId) ?? connectionId),
      nodes: [],
      since: new Map(),
      timers: new Map(),
      moves: [],
      connections: new Map(),
    };
    actors.set(ref, actor);
    if (connectionId !== undefined) parent?.connections.set(connectionId, actor);
    else if (instanceId !== null) instances.set(instanceId, actor);
    if (followers.size > 0) tell(record(actor, 'born', null, {}));
  };

  /** Takes over the active states, and says which have changed; where none has, which were entered again. */
  const enter = (actor: Actor, { _nodes: nodes }: AnyMachineSnapshot, target: readonly AnyStateNode[]) => {
    const at = clock.wall();
    const since = new Map<string, number>();
    const to: string[] = [];
    for (const node of nodes) {
      if (!innermost(node)) continue;
      const path = pathOf(node);
      const before = actor.since.get(path);
      since.set(path, before ?? at);
      if (before === undefined) to.push(path);
    }
    const from = [...actor.since.keys()].filter(path => !since.has(path));
    const begun = actor.since.size === 0;
    const again = to.length === 0 ? target.map(pathOf).join(', ') : '';
    actor.since = since;
    actor.nodes = nodes;
    return { from: begun ? null : from.join(', ') || again, to: to.join(', ') || again };
  };

  const keep = (actor: Actor, last: TraceRecord): void => {
    const { moves } = actor;
    for (let i = moves.length - 1; i >= 0 && i >= moves.length - RHYTHM; i -= 1) {
      const { record: before } = moves[i]!;
      if (before.edge !== last.edge || before.from !== last.from || before.facts.code !== last.facts.code) continue;
      const [move] = moves.splice(i, 1);
      moves.push({ record: last, count: move!.count + 1, first: move!.first });
      return;
    }
    moves.push({ record: last, count: 1, first: last.at });
    if (moves.length > bounds.keptTransitions) moves.shift();
  };

  const moved = (actor: Actor, event: { type: string }, snapshot: AnyMachineSnapshot, transitions: readonly AnyTransitionDefinition[]) => {
    if (event.type.startsWith('xstate.after.')) actor.timers.delete(event.type);
    for (const transition of transitions) {
      if (transition.target === undefined) continue;
      let known = described.get(transition);
      if (known === undefined) described.set(transition, (known = describe(transition)));
      // An eventless transition follows from the one before it, which tells the facts.
      const cause = transition.eventType === '' && actor.since.size > 0 ? null : event;
      const facts = cause === null ? NOTHING : factsOf(cause, actor);
      const last = record(actor, 'moved', cause?.type ?? 'always', { ...known, ...enter(actor, snapshot, transition.target), facts });
      keep(actor, last);
      if (followers.size > 0) tell(last);
    }
  };

  return {
    next(inspected) {
      const ref = inspected.actorRef as AnyActorRef;
      if (inspected.type === '@xstate.actor') return born(ref);
      const actor = actors.get(ref);
      if (actor === undefined) return;
      if (inspected.type === '@xstate.microstep') {
        moved(actor, inspected.event, inspected.snapshot as AnyMachineSnapshot, inspected._transitions);
      } else if (inspected.type === '@xstate.action') {
        // `after` compiles into a delayed raise, and leaving the state into its cancellation.
        const { type, params } = inspected.action as { type: string; params: { id?: string; delay?: number; sendId?: string } };
        if (type === 'xstate.raise' && typeof params.delay === 'number' && params.id?.startsWith('xstate.after.'))
          actor.timers.set(params.id, clock.now() + params.delay);
        else if (type === 'xstate.cancel' && params.sendId !== undefined) actor.timers.delete(params.sendId);
      } else if (inspected.type === '@xstate.event') {
        const { event, sourceRef } = inspected;
        if (followers.size > 0) {
          const source = sourceRef && actors.get(sourceRef);
          if (source !== undefined && event.type.startsWith('xstate.error.actor.')) tell(record(source, 'ended', 'error', {}));
          tell(record(actor, 'event', event.type, { facts: factsOf(event, actor), source: (sourceRef as AnyActorRef)?.sessionId ?? null }));
        }
        // Where the chart stays in its initial state, no microstep tells of it.
        const snapshot = ref.getSnapshot() as AnyMachineSnapshot;
        if (event.type !== 'xstate.init' || actor.since.size > 0 || snapshot._nodes === undefined) return;
        const last = record(actor, 'moved', event.type, enter(actor, snapshot, []));
        keep(actor, last);
        if (followers.size > 0) tell(last);
      } else if (inspected.type === '@xstate.snapshot' && inspected.snapshot.status !== 'active') {
        actor.timers.clear();
        if (followers.size > 0) tell(record(actor, 'ended', inspected.snapshot.status, {}));
      }
    },
    of: instanceId => instances.get(instanceId),
    forget(instanceId) {
      instances.delete(instanceId);
    },
    follow(listener) {
      followers.add(listener);
      return () => followers.delete(listener);
    },
  };
}
