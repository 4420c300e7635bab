// Turns XState's inspection events into flat records of what each chart did, and why. It keeps the last transitions of each
// actor while that actor is kept, and no snapshot or context. It knows no instance and no socket.
import type { AnyActorRef, AnyMachineSnapshot, AnyStateMachine, AnyStateNode, AnyTransitionDefinition, InspectionEvent } from 'xstate';
import { bounds } from '../limits.ts';
import type { Clock } from '../world/clock.ts';
import { describe, type Facts, inOrder, inputOf, isInnermost, safeFieldsOf, sourceAndTarget, type TraceRecord } from './trace-record.ts';

/** A transition that an actor has taken. One that is repeated, alone or in turn with up to three others, is kept once. */
export interface TakenTransition {
  /** As it was taken last. */
  readonly record: TraceRecord;
  readonly count: number;
  /** When it was taken first, in ms since 1970. */
  readonly first: number;
}

export interface ActorTrace {
  /** The active states of the chart. */
  readonly nodes: readonly AnyStateNode[];
  /** The innermost of them, one for each region, and when each was entered, in ms since 1970. */
  readonly innermost: readonly { readonly node: AnyStateNode; readonly since: number }[];
  /** Pending timeouts: `xstate.after.NAME.STATE` → when it is due, in ms of the monotonic clock. */
  readonly timers: ReadonlyMap<string, number>;
  /** The last ones, oldest first. */
  readonly transitions: readonly TakenTransition[];
  /** The newest session of an instance. */
  readonly session: ActorTrace | undefined;
  /** A connection of an instance, by its actor id. Actor ids are used again: the newest connection counts. */
  connection(actorId: string): ActorTrace | undefined;
}

export interface Trace {
  next(event: InspectionEvent): void;
  /** By the id of an instance or a pool. */
  of(id: string): ActorTrace | undefined;
  forget(id: string): void;
  /** Calls `listener` with every record from now on. Returns a function that ends this. */
  follow(listener: (record: TraceRecord) => void): () => void;
}

/** The longest cycle of transitions that is recognised as repeated: a silence takes four transitions. */
const MAX_CYCLE = 4;
const NOTHING = {};
const NO_CONNECTIONS = new Map<string, Actor>();

interface Actor {
  readonly session: string;
  readonly parent: string | null;
  readonly machine: string;
  readonly instanceId: string | null;
  readonly connectionId: string | null;
  /** The active states. They belong to the chart, so no snapshot is kept. */
  nodes: readonly AnyStateNode[];
  /** The innermost of them, and when each was entered. */
  inner: readonly AnyStateNode[];
  since: readonly number[];
  readonly timers: Map<string, number>;
  readonly entries: Entry[];
  newestSession: Actor | null;
  /** An instance and its sessions share the map. */
  readonly connections: Map<string, Actor>;
}

/** A transition as it is kept. Its record is made only when it is read. */
interface Entry {
  readonly transition: AnyTransitionDefinition | undefined;
  readonly event: string;
  readonly left: readonly AnyStateNode[];
  readonly entered: readonly AnyStateNode[];
  readonly first: number;
  at: number;
  count: number;
  facts: Facts;
}

/** `connectionIdOf` returns the id of a connection, by its instance (null: the shared listener) and its actor id. */
export function createTrace(
  clock: Pick<Clock, 'now' | 'wall'>,
  connectionIdOf: (instanceId: string | null, connectionActorId: string) => string | undefined,
): Trace {
  // A WeakMap, so that an actor's trace goes with the actor, however it ends.
  const actors = new WeakMap<object, Actor>();
  /** By the id of their instance or pool. */
  const named = new Map<string, Actor>();
  const followers = new Set<(record: TraceRecord) => void>();

  const notify = (record: TraceRecord): void => {
    for (const follower of followers) follower(record);
  };

  const factsOf = (event: object, actor: Actor): Facts => {
    const facts = safeFieldsOf(event);
    if (facts === null) return NOTHING;
    const { connectionActorId: id, ...others } = facts;
    if (typeof id !== 'string') return facts;
    return { connectionId: connectionIdOf(actor.instanceId, id) ?? actor.connections.get(id)?.connectionId ?? id, ...others };
  };

  const record = (actor: Actor, kind: TraceRecord['kind'], event: string | null, more: Partial<TraceRecord> = {}): TraceRecord => ({
    at: clock.wall(),
    kind,
    actor: actor.session,
    parent: actor.parent,
    machine: actor.machine,
    instanceId: actor.instanceId,
    connectionId: actor.connectionId,
    event,
    facts: NOTHING,
    source: null,
    from: null,
    to: null,
    guard: null,
    edge: null,
    actions: [],
    ...more,
  });

  const transitionRecord = (actor: Actor, { at, event, facts, transition, left, entered }: Entry): TraceRecord =>
    record(actor, 'transition', event, {
      at,
      facts,
      ...sourceAndTarget(left, entered, transition),
      ...(transition && describe(transition)),
    });

  const add = (ref: AnyActorRef): void => {
    const machine = (ref as { logic?: AnyStateMachine }).logic;
    if (machine?.root === undefined) return;
    const parent = ref._parent === undefined ? undefined : actors.get(ref._parent);
    const { instanceId = null, connectionActorId, poolId } = inputOf(ref);
    const instance = machine.id === 'session' ? parent : undefined;
    const actor: Actor = {
      session: ref.sessionId,
      parent: parent?.session ?? null,
      machine: machine.id,
      instanceId,
      connectionId: connectionActorId === undefined ? null : (connectionIdOf(instanceId, connectionActorId) ?? connectionActorId),
      nodes: [],
      inner: [],
      since: [],
      timers: new Map(),
      entries: [],
      newestSession: null,
      connections: instance?.connections ?? (connectionActorId === undefined ? new Map() : NO_CONNECTIONS),
    };
    actors.set(ref, actor);
    if (connectionActorId !== undefined) parent?.connections.set(connectionActorId, actor);
    else if (instance !== undefined) instance.newestSession = actor;
    else named.set(poolId ?? instanceId ?? '', actor);
    if (followers.size > 0) notify(record(actor, 'created', null));
  };

  const noteTransition = (
    actor: Actor,
    event: { type: string },
    nodes: readonly AnyStateNode[],
    transition?: AnyTransitionDefinition,
  ): void => {
    const at = clock.wall();
    const left = actor.inner;
    const entered = nodes.filter(isInnermost);
    actor.since = entered.map(node => actor.since[left.indexOf(node)] ?? at);
    actor.nodes = nodes;
    actor.inner = entered;
    // An eventless transition follows from the one before it, which has the fields of the event.
    const follows = transition?.eventType === '' && left.length > 0;
    const facts = follows ? NOTHING : factsOf(event, actor);
    const { entries } = actor;
    let index = entries.length - 1;
    while (index >= 0 && index >= entries.length - MAX_CYCLE && !isRepeated(entries[index]!, transition, left, facts)) index -= 1;
    let entry = index >= 0 && index >= entries.length - MAX_CYCLE ? entries[index] : undefined;
    if (entry === undefined) {
      entry = { transition, event: follows ? 'always' : event.type, left, entered, first: at, at, count: 1, facts };
      entries.push(entry);
      if (entries.length > bounds.keptTransitions) entries.shift();
    } else {
      entry.at = at;
      entry.count += 1;
      entry.facts = facts;
      for (; index < entries.length - 1; index += 1) entries[index] = entries[index + 1]!;
      entries[index] = entry;
    }
    if (followers.size > 0) notify(transitionRecord(actor, entry));
  };

  const viewOf = (actor: Actor): ActorTrace => ({
    nodes: actor.nodes,
    innermost: inOrder(actor.inner).map(node => ({ node, since: actor.since[actor.inner.indexOf(node)]! })),
    timers: actor.timers,
    transitions: actor.entries.map(entry => ({ record: transitionRecord(actor, entry), count: entry.count, first: entry.first })),
    get session() {
      return actor.newestSession === null ? undefined : viewOf(actor.newestSession);
    },
    connection(actorId) {
      const connection = actor.connections.get(actorId);
      return connection && viewOf(connection);
    },
  });

  return {
    next(inspected) {
      const ref = inspected.actorRef as AnyActorRef;
      if (inspected.type === '@xstate.actor') return add(ref);
      const actor = actors.get(ref);
      if (actor === undefined) return;
      if (inspected.type === '@xstate.microstep') {
        const { event, snapshot, _transitions: transitions } = inspected;
        if (event.type.startsWith('xstate.after.')) actor.timers.delete(event.type);
        for (const transition of transitions)
          if (transition.target !== undefined) noteTransition(actor, event, (snapshot as AnyMachineSnapshot)._nodes, transition);
      } else if (inspected.type === '@xstate.action') {
        // XState compiles `after` into a delayed raise, which it cancels when the state is left.
        const { type, params } = inspected.action as { type: string; params: { id?: string; delay?: number; sendId?: string } };
        if (type === 'xstate.raise' && typeof params.delay === 'number' && params.id?.startsWith('xstate.after.'))
          actor.timers.set(params.id, clock.now() + params.delay);
        else if (type === 'xstate.cancel' && params.sendId !== undefined) actor.timers.delete(params.sendId);
      } else if (inspected.type === '@xstate.event') {
        const { event, sourceRef } = inspected;
        if (followers.size > 0) {
          const source = sourceRef && actors.get(sourceRef);
          if (source !== undefined && event.type.startsWith('xstate.error.actor.')) notify(record(source, 'ended', 'error'));
          const sender = (sourceRef as AnyActorRef)?.sessionId ?? null;
          notify(record(actor, 'event', event.type, { facts: factsOf(event, actor), source: sender }));
        }
        // XState reports no microstep for a chart that stays in its initial state.
        if (event.type !== 'xstate.init' || actor.nodes.length > 0) return;
        const { _nodes: nodes } = ref.getSnapshot() as Partial<AnyMachineSnapshot>;
        if (nodes !== undefined) noteTransition(actor, event, nodes);
      } else if (inspected.type === '@xstate.snapshot' && inspected.snapshot.status !== 'active') {
        actor.timers.clear();
        if (followers.size > 0) notify(record(actor, 'ended', inspected.snapshot.status));
      }
    },
    of(id) {
      const actor = named.get(id);
      return actor && viewOf(actor);
    },
    forget: id => void named.delete(id),
    follow(listener) {
      followers.add(listener);
      return () => followers.delete(listener);
    },
  };
}

/** Whether `entry` is the same transition out of the same states, with the same code. */
function isRepeated(entry: Entry, transition: AnyTransitionDefinition | undefined, left: readonly AnyStateNode[], facts: Facts): boolean {
  if (entry.transition !== transition || entry.left.length !== left.length || entry.facts.code !== facts.code) return false;
  return left.every(node => entry.left.includes(node));
}
