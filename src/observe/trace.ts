// XState's inspection events as flat records: what an actor's chart did, and why. It keeps the end of each actor's story for
// as long as that actor, and nothing of a snapshot or a context. It knows no instance and no socket.
import type { AnyActorRef, AnyMachineSnapshot, AnyStateMachine, AnyStateNode, AnyTransitionDefinition, InspectionEvent } from 'xstate';
import { bounds } from '../limits.ts';
import type { Clock } from '../world/clock.ts';
import { describe, type Facts, harmlessOf, innermost, inOrder, type TraceRecord, wayOf } from './trace-record.ts';

/** A transition in an actor's story. Where it is taken again and again, alone or in turn with one or two others, it is kept once. */
export interface Move {
  /** The last time. */
  readonly record: TraceRecord;
  readonly count: number;
  /** The first time, in ms since 1970. */
  readonly first: number;
}

export interface ActorTrace {
  /** The active states of the chart. */
  readonly nodes: readonly AnyStateNode[];
  /** The innermost of them, one for each region, and since when, in ms since 1970. */
  readonly innermost: readonly { readonly node: AnyStateNode; readonly since: number }[];
  /** Pending timeouts: `xstate.after.NAME.STATE` → when it is due, on the monotonic clock. */
  readonly timers: ReadonlyMap<string, number>;
  readonly moves: readonly Move[];
  /** Of an instance, by the names its chart has for them; such names are used again. */
  connection(connectionId: string): ActorTrace | undefined;
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
  /** Nodes belong to the chart, not to a snapshot. */
  nodes: readonly AnyStateNode[];
  /** The innermost of them, and since when each is active. */
  inner: readonly AnyStateNode[];
  since: readonly number[];
  readonly timers: Map<string, number>;
  readonly steps: Step[];
  readonly connections: Map<string, Actor>;
}

/** A move as it is kept: it is put into words when somebody asks. */
interface Step {
  readonly transition: AnyTransitionDefinition | undefined;
  readonly event: string;
  readonly left: readonly AnyStateNode[];
  readonly entered: readonly AnyStateNode[];
  readonly first: number;
  at: number;
  count: number;
  facts: Facts;
}

/** `label` is the public name of a connection, by its instance (null: of the shared listener) and its name in the chart. */
export function createTrace(
  clock: Pick<Clock, 'now' | 'wall'>,
  label: (instanceId: string | null, connectionId: string) => string | undefined,
): Trace {
  // By the actor itself, so that whatever becomes of it, nothing is left behind.
  const actors = new WeakMap<object, Actor>();
  const instances = new Map<string, Actor>();
  const followers = new Set<(record: TraceRecord) => void>();

  const tell = (record: TraceRecord): void => {
    for (const follower of followers) follower(record);
  };

  const factsOf = (event: object, actor: Actor): Facts => {
    const facts = harmlessOf(event);
    if (facts === null) return NOTHING;
    const id = facts.connectionId;
    if (typeof id === 'string') facts.connectionId = label(actor.instanceId, id) ?? actor.connections.get(id)?.connectionId ?? id;
    return facts;
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

  const moveOf = (actor: Actor, { at, event, facts, transition, left, entered }: Step): TraceRecord =>
    record(actor, 'moved', event, { at, facts, ...wayOf(left, entered, transition), ...(transition && describe(transition)) });

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
      inner: [],
      since: [],
      timers: new Map(),
      steps: [],
      connections: new Map(),
    };
    actors.set(ref, actor);
    if (connectionId !== undefined) parent?.connections.set(connectionId, actor);
    else if (instanceId !== null) instances.set(instanceId, actor);
    if (followers.size > 0) tell(record(actor, 'born', null));
  };

  const move = (actor: Actor, event: { type: string }, nodes: readonly AnyStateNode[], transition?: AnyTransitionDefinition): void => {
    const at = clock.wall();
    const left = actor.inner;
    const entered = nodes.filter(innermost);
    actor.since = entered.map(node => actor.since[left.indexOf(node)] ?? at);
    actor.nodes = nodes;
    actor.inner = entered;
    // An eventless transition follows from the one before it, which tells the facts.
    const follows = transition?.eventType === '' && left.length > 0;
    const facts = follows ? NOTHING : factsOf(event, actor);
    const { steps } = actor;
    let index = steps.length - 1;
    while (index >= 0 && index >= steps.length - RHYTHM && !isRepeated(steps[index]!, transition, left, facts)) index -= 1;
    let step = index >= 0 && index >= steps.length - RHYTHM ? steps[index] : undefined;
    if (step === undefined) {
      step = { transition, event: follows ? 'always' : event.type, left, entered, first: at, at, count: 1, facts };
      steps.push(step);
      if (steps.length > bounds.keptTransitions) steps.shift();
    } else {
      step.at = at;
      step.count += 1;
      step.facts = facts;
      for (; index < steps.length - 1; index += 1) steps[index] = steps[index + 1]!;
      steps[index] = step;
    }
    if (followers.size > 0) tell(moveOf(actor, step));
  };

  const viewOf = (actor: Actor): ActorTrace => ({
    nodes: actor.nodes,
    innermost: inOrder(actor.inner).map(node => ({ node, since: actor.since[actor.inner.indexOf(node)]! })),
    timers: actor.timers,
    moves: actor.steps.map(step => ({ record: moveOf(actor, step), count: step.count, first: step.first })),
    connection(connectionId) {
      const connection = actor.connections.get(connectionId);
      return connection && viewOf(connection);
    },
  });

  return {
    next(inspected) {
      const ref = inspected.actorRef as AnyActorRef;
      if (inspected.type === '@xstate.actor') return born(ref);
      const actor = actors.get(ref);
      if (actor === undefined) return;
      if (inspected.type === '@xstate.microstep') {
        const { event, snapshot, _transitions: transitions } = inspected;
        if (event.type.startsWith('xstate.after.')) actor.timers.delete(event.type);
        for (const transition of transitions)
          if (transition.target !== undefined) move(actor, event, (snapshot as AnyMachineSnapshot)._nodes, transition);
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
          if (source !== undefined && event.type.startsWith('xstate.error.actor.')) tell(record(source, 'ended', 'error'));
          tell(record(actor, 'event', event.type, { facts: factsOf(event, actor), source: (sourceRef as AnyActorRef)?.sessionId ?? null }));
        }
        // Where a chart stays in its initial state, no microstep tells of it.
        if (event.type !== 'xstate.init' || actor.nodes.length > 0) return;
        const { _nodes: nodes } = ref.getSnapshot() as Partial<AnyMachineSnapshot>;
        if (nodes !== undefined) move(actor, event, nodes);
      } else if (inspected.type === '@xstate.snapshot' && inspected.snapshot.status !== 'active') {
        actor.timers.clear();
        if (followers.size > 0) tell(record(actor, 'ended', inspected.snapshot.status));
      }
    },
    of(instanceId) {
      const actor = instances.get(instanceId);
      return actor && viewOf(actor);
    },
    forget(instanceId) {
      instances.delete(instanceId);
    },
    follow(listener) {
      followers.add(listener);
      return () => followers.delete(listener);
    },
  };
}

/** Is it the same transition out of the same states, for the same reason? */
function isRepeated(step: Step, transition: AnyTransitionDefinition | undefined, left: readonly AnyStateNode[], facts: Facts): boolean {
  if (step.transition !== transition || step.left.length !== left.length || step.facts.code !== facts.code) return false;
  return left.every(node => step.left.includes(node));
}
