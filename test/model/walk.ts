// Walks every path of a machine: the pure machine is the model; the system is the same machine at work in the engine, with
// its real effects. What is counted are the transitions that actors really took, read from their microsteps.
import { isDeepStrictEqual } from 'node:util';
import { type AnyMachineSnapshot, type AnyStateMachine, createEmptyActor, getInitialSnapshot, getNextTransitions } from 'xstate';
import { getStateNodes } from 'xstate/graph';
import type { Stage } from './stage.ts';

export type Happening = { type: string; [key: string]: unknown };

export interface Walk {
  readonly machine: AnyStateMachine;
  readonly input: unknown;
  /** The events that can happen in a state, for one type: with their payloads, none where it cannot happen. */
  cases(type: string, snapshot: AnyMachineSnapshot): Happening[];
  /** The part of the context on which guards decide. */
  bits(context: never): unknown;
  /** The rest of the context on which `cases` decide, and the code of the cause. Without it: all of the context. */
  future?(context: never): unknown;
  /** Steps that need not be walked again, because the paths of another input have them. New steps are added. */
  readonly seen?: Set<string>;
  readonly limit?: number;
  /** How many steps of a path can happen in the world, one after the other; the rest is cut off. */
  feasible?(steps: readonly Step[]): number;
  /** Steps from the same state count as different where the context differs: for machines whose context is their state. */
  readonly byContext?: boolean;
  /** Paths that the search does not find: the world wants a longer way there than the model. */
  readonly also?: readonly (readonly Happening[])[];
}

/** An action with its parameters, as a text that can be compared. */
export const effectOf = ({ type, params }: { type: string; params?: unknown }): string =>
  params === undefined ? type : `${type} ${JSON.stringify(params)}`;

/** One transition, told apart from all others of its machine by this text. */
export const keyOf = (t: {
  source: { id: string };
  eventType: string;
  guard?: unknown;
  target?: readonly { id: string }[] | undefined;
  reenter?: boolean;
}): string => {
  const guard = t.guard as { type?: string } | string | undefined;
  return `${t.source.id} --${t.eventType}${guard ? `[${typeof guard === 'string' ? guard : guard.type}]` : ''}--> ${t.target?.map(node => node.id).join() ?? '(stays)'}`;
};

export function everyTransition(machine: AnyStateMachine): string[] {
  return [machine.root, ...getStateNodes(machine)].flatMap(node =>
    [...[...node.transitions.values()].flat(), ...(node.always ?? [])].map(keyOf),
  );
}

export const everyState = (machine: AnyStateMachine): string[] => [machine.root, ...getStateNodes(machine)].map(node => node.id);

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
 * Where a machine gets to by an event, and the actions on the way. It is XState's transition(), which creates an actor for
 * every call: that took a third of the time of a walk.
 */
export function advance(machine: AnyStateMachine, at: AnyMachineSnapshot, event: Happening): [AnyMachineSnapshot, Action[]] {
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
 * The shortest ways to every state: breadth first. States are the same where `nameOf` says so; the ways go on once from all
 * states of one `futureOf`.
 */
function* shortestWays(
  machine: AnyStateMachine,
  { input, limit = 20_000, cases }: Walk,
  futureOf: (state: AnyMachineSnapshot) => string,
  nameOf: (state: AnyMachineSnapshot, event: Happening, before: AnyMachineSnapshot) => string,
): Generator<Happening[]> {
  interface Way {
    readonly state: AnyMachineSnapshot;
    readonly event: Happening | null;
    readonly before: Way | null;
  }
  const ways: Way[] = [{ state: getInitialSnapshot(machine, input as never) as AnyMachineSnapshot, event: null, before: null }];
  const known = new Set<string>();
  const expanded = new Set<string>();
  for (const way of ways) {
    if (ways.length > limit) throw new Error(`more than ${limit} states`);
    const events: Happening[] = [];
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
  const { feasible = (steps: readonly Step[]) => steps.length, byContext = false, also = [] } = walk;
  const signatures = new WeakMap<AnyMachineSnapshot, string>();
  const signature = (s: AnyMachineSnapshot): string => {
    const found = signatures.get(s) ?? JSON.stringify([s.value, bits(s.context as never)]);
    signatures.set(s, found);
    return found;
  };
  const model = alone(machine);
  const isCase = (state: AnyMachineSnapshot, event: Happening): boolean =>
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
  const replay = (events: readonly Happening[]): Step[] => {
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
  const possible = (events: readonly Happening[]): Step[] => {
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
  return [...found, ...also.map(possible)];
}

export type Step = { readonly state: AnyMachineSnapshot; readonly event: Happening };

export interface Play {
  readonly stage: Stage;
  readonly machine: AnyStateMachine;
  readonly input: unknown;
  readonly steps: readonly Step[];
  /** Makes an event happen in the world, and returns what reached the subject. `ahead` is what the path goes on with. */
  perform(event: Happening, ahead: readonly Happening[]): Promise<readonly Happening[]>;
  /** Throws where something does not hold that must hold after every step. */
  check(): void;
}

/** What does not come about in so many ms of real time never will. */
export const patience = { ms: 20_000 };

async function inTime<T>(happening: Promise<T>): Promise<T> {
  let late: NodeJS.Timeout | undefined;
  try {
    return await Promise.race([
      happening,
      new Promise<never>((_, reject) => {
        late = setTimeout(() => reject(new Error('it did not come about')), patience.ms);
      }),
    ]);
  } finally {
    clearTimeout(late);
  }
}

/** Plays one path; what it says is where the system is not as the model, or what could not be made to happen. */
export async function play({ stage, machine, input, steps, perform, check }: Play): Promise<string | null> {
  const model = alone(machine);
  const isEffect = ({ type }: { type: string }): boolean =>
    !type.startsWith('xstate.') && (machine.implementations.actions[type] as { type?: string }).type === undefined;
  let expected = getInitialSnapshot(model, input as never) as AnyMachineSnapshot;
  const done: string[] = [];
  for (const [i, { event, state }] of steps.entries()) {
    done.push(event.type);
    const effects: string[] = [];
    stage.gate.effects.length = 0;
    try {
      const ahead = steps.slice(i + 1).map(step => step.event);
      for (const happened of await inTime(perform(event, ahead))) {
        const [next, actions] = advance(model, expected, happened);
        expected = next;
        effects.push(...actions.filter(isEffect).map(effectOf));
      }
      check();
    } catch (thrown) {
      return `${done.join(' > ')}: ${(thrown as Error).message}`;
    }
    const actual = stage.gate.subject.getSnapshot() as AnyMachineSnapshot;
    const told = (what: string, is: unknown, should: unknown) =>
      `${done.join(' > ')}: ${what} ${JSON.stringify(is)}, the model has ${JSON.stringify(should)}`;
    if (actual.status !== expected.status) return told('it is', actual.status, expected.status);
    if (!isDeepStrictEqual(actual.value, expected.value)) return told('state', actual.value, expected.value);
    if (!isDeepStrictEqual(actual.value, state.value)) return told('the path leads to', actual.value, state.value);
    if (!isDeepStrictEqual(stage.gate.effects, effects)) return told('its effects are', stage.gate.effects, effects);
    if (!isDeepStrictEqual(actual.context, expected.context)) return told('context', actual.context, expected.context);
  }
  return null;
}

/** Waits until something fit has come to the subject's gate, and lets it through. */
export async function receive({ gate }: Stage, fits: (event: Happening) => boolean): Promise<Happening> {
  const held = await gate.wait(fits);
  gate.release(held);
  return held.event;
}

/** Lets time pass until a timer of the subject fires: it has to be the one that is meant, after so many ms. */
export function elapse({ clock, gate }: Stage, type: string, expectedMs: number): Happening {
  const before = gate.timers.length;
  for (let steps = 0; steps < 1_000; steps += 1) {
    const ms = clock.step();
    if (ms === null) break;
    const fired = gate.timers[before];
    if (fired === undefined) continue;
    if (fired !== type) throw new Error(`${fired} came before ${type}`);
    if (Math.round(ms) !== Math.round(expectedMs)) throw new Error(`${type} came after ${ms} ms, not ${expectedMs}`);
    return { type };
  }
  throw new Error(`${type} never came`);
}

/** `xstate.after.NAME.…` → NAME; null for every other event. */
export const delayOf = (type: string): string | null => /^xstate\.after\.([^.]+)\./.exec(type)?.[1] ?? null;

/** What one played path has shown. `finding`: what was not as it must be. */
export interface Played {
  readonly finding: string | null;
  readonly taken: ReadonlySet<string>;
  readonly visited: ReadonlySet<string>;
}

/** What of a machine was really walked, over many paths; fails below 100 %. */
export function createCoverage(machine: AnyStateMachine) {
  const taken = new Set<string>();
  const visited = new Set<string>();
  let paths = 0;
  return {
    add(played: Played): void {
      paths += 1;
      for (const each of played.taken) taken.add(each);
      for (const each of played.visited) visited.add(each);
    },
    /** The states and transitions that nobody has walked. */
    missing: (): string[] => [
      ...everyState(machine).filter(id => !visited.has(id)),
      ...everyTransition(machine).filter(key => !taken.has(key)),
    ],
    report: (): string => {
      const states = everyState(machine);
      const transitions = everyTransition(machine);
      const share = (all: string[], seen: ReadonlySet<string>) => `${all.filter(each => seen.has(each)).length} of ${all.length}`;
      return `${machine.id}: ${paths} paths, ${share(states, visited)} states, ${share(transitions, taken)} transitions`;
    },
  };
}
