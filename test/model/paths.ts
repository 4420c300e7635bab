// Finds the paths of a machine that are worth a walk. It works on the pure machine alone: nothing runs here.
import { isDeepStrictEqual } from 'node:util';
import { type AnyMachineSnapshot, type AnyStateMachine, createEmptyActor, getInitialSnapshot, getNextTransitions } from 'xstate';

export type ModelEvent = { type: string; [key: string]: unknown };

export type Step = { readonly state: AnyMachineSnapshot; readonly event: ModelEvent };

export interface Walk {
  readonly machine: AnyStateMachine;
  readonly input: unknown;
  /** The events that can happen in a state, for one type: with their payloads, none where it cannot happen. */
  cases(type: string, snapshot: AnyMachineSnapshot): ModelEvent[];
  /** The part of the context on which guards decide. */
  bits(context: never): unknown;
  /** The rest of the context on which `cases` decide, and the code of the cause. Without it: all of the context. */
  future?(context: never): unknown;
  /** Steps that the paths of another input have already: only paths with a new step are returned. New steps are added here. */
  readonly seen?: Set<string>;
  readonly limit?: number;
  /** How many steps of a path can happen in the world, one after the other; the rest is cut off. */
  feasible?(steps: readonly Step[]): number;
  /** Steps from the same state count as different where the context differs: for machines whose context is their state. */
  readonly byContext?: boolean;
  /** Paths that the search does not find: the world wants a longer way there than the model. */
  readonly also?: readonly (readonly ModelEvent[])[];
  /** More such paths, made from those that the search finds. */
  derived?(found: readonly (readonly Step[])[]): readonly (readonly ModelEvent[])[];
}

/**
 * The machine as a model: it sends no messages, because there is no receiver, and its effects do nothing. A timeout is an
 * event like any other, so the length of a delay has no meaning.
 */
export function alone(machine: AnyStateMachine): AnyStateMachine {
  const effects = Object.entries(machine.implementations.actions).filter(([, action]) =>
    [undefined, 'xstate.sendTo'].includes((action as { type?: string }).type),
  );
  return machine.provide({
    actions: Object.fromEntries(effects.map(([name]) => [name, () => {}])),
    delays: Object.fromEntries(Object.keys(machine.implementations.delays).map(name => [name, 1])),
  });
}

interface Action {
  readonly type: string;
  readonly params?: unknown;
}

/**
 * The next state of a machine after an event, and the actions of the step. XState's transition() does the same, but creates
 * an actor in every call: that was more than a quarter of the time of the search.
 */
export function advance(machine: AnyStateMachine, at: AnyMachineSnapshot, event: ModelEvent): [AnyMachineSnapshot, Action[]] {
  const actions: Action[] = [];
  const nothing = (): void => {};
  const scope = {
    ...{ self: nobody, system: nobody.system, id: '', sessionId: '', logger: nothing, defer: nothing, stopChild: nothing, emit: nothing },
    actionExecutor: (action: Action) => void actions.push(action),
  };
  return [machine.transition(at, event, scope as never) as AnyMachineSnapshot, actions];
}
const nobody = createEmptyActor();

/**
 * The shortest ways to every state, breadth first. States with the same `nameOf` count as one. From states with the same
 * `futureOf` the search goes on once, because the same ways lead on from all of them.
 */
function* shortestWays(
  machine: AnyStateMachine,
  { input, limit = 20_000, cases }: Walk,
  futureOf: (state: AnyMachineSnapshot) => string,
  nameOf: (state: AnyMachineSnapshot, event: ModelEvent, before: AnyMachineSnapshot) => string,
): Generator<ModelEvent[]> {
  interface Way {
    readonly state: AnyMachineSnapshot;
    readonly event: ModelEvent | null;
    readonly before: Way | null;
  }
  const ways: Way[] = [{ state: getInitialSnapshot(machine, input as never) as AnyMachineSnapshot, event: null, before: null }];
  const known = new Set<string>();
  const expanded = new Set<string>();
  for (const way of ways) {
    if (ways.length > limit) throw new Error(`more than ${limit} states`);
    const events: ModelEvent[] = [];
    for (let at: Way | null = way; at?.event != null; at = at.before) events.unshift(at.event);
    yield events;
    if (way.state.status !== 'active') continue;
    const future = futureOf(way.state);
    if (expanded.has(future)) continue;
    expanded.add(future);
    const types = new Set(getNextTransitions(way.state).map(({ eventType }) => eventType));
    for (const type of types) {
      if (type === '' || type.startsWith('xstate.done.state')) continue;
      for (const event of cases(type, way.state)) {
        const [state] = advance(machine, way.state, event);
        const name = nameOf(state, event, way.state);
        if (known.has(name)) continue;
        known.add(name);
        ways.push({ state, event, before: way });
      }
    }
  }
}

export function pathsOf(walk: Walk): Step[][] {
  const { machine, input, cases, bits, future = (context: unknown) => context, seen = new Set<string>() } = walk;
  const { feasible = (steps: readonly Step[]) => steps.length, byContext = false, also = [], derived = () => [] } = walk;
  const signatures = new WeakMap<AnyMachineSnapshot, string>();
  const signature = (s: AnyMachineSnapshot): string => {
    const found = signatures.get(s) ?? JSON.stringify([s.value, bits(s.context as never)]);
    signatures.set(s, found);
    return found;
  };
  const model = alone(machine);
  const isCase = (state: AnyMachineSnapshot, event: ModelEvent): boolean =>
    getNextTransitions(state).some(
      ({ eventType }) =>
        (eventType === event.type || (eventType.endsWith('*') && event.type.startsWith(eventType.slice(0, -1)))) &&
        cases(eventType, state).some(each => isDeepStrictEqual(each, event)),
    );
  interface Node {
    readonly step: Step;
    readonly next: Map<string, Node | null>;
  }
  const begin = { state: getInitialSnapshot(model, input as never) as AnyMachineSnapshot, event: { type: 'xstate.init' } };
  const start: Node = { step: begin, next: new Map() };
  /**
   * States of a path stand for all that look alike; here they become those that it really leads through, as far as it can.
   * Paths that begin alike share their steps.
   */
  const replay = (events: readonly ModelEvent[]): Step[] => {
    let at = start;
    const steps: Step[] = [];
    for (const event of events) {
      const key = JSON.stringify(event);
      let next = at.next.get(key);
      if (next === undefined) {
        const { state } = at.step;
        const possible = state.status === 'active' && isCase(state, event);
        next = possible ? { step: { state: advance(model, state, event)[0], event }, next: new Map() } : null;
        at.next.set(key, next);
      }
      if (next === null) break;
      steps.push(next.step);
      at = next;
    }
    return steps;
  };
  const possible = (events: readonly ModelEvent[]): Step[] => {
    const steps = replay(events);
    return steps.slice(0, feasible(steps));
  };
  const futureOf = (state: AnyMachineSnapshot): string => JSON.stringify([signature(state), future(state.context as never)]);
  const ways = shortestWays(model, walk, futureOf, (state, event, before) =>
    JSON.stringify([signature(state), event.type, before.value, signature(state) === signature(before)]),
  );
  // A path is walked for what is new in it: a step from a state by an event to a state that no path before it has.
  const found = [...ways]
    .map(possible)
    .sort((a, b) => b.length - a.length)
    .filter(steps => {
      const marks = steps.map(({ state, event }, i) => {
        const before = i === 0 ? begin.state : steps[i - 1]!.state;
        return JSON.stringify([
          byContext ? signature(before) : before.value,
          event,
          state.value,
          (state.context as { cause?: { code: string } | null }).cause?.code,
        ]);
      });
      const fresh = marks.some(mark => !seen.has(mark));
      for (const mark of marks) seen.add(mark);
      return fresh;
    });
  return [...found, ...[...also, ...derived(found)].map(possible)];
}
