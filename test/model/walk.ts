// Walks every path of a chart. The model is the pure chart; the system is the same chart in the running engine, with its real
// effects. Only transitions that actors have really taken count, read from their microsteps.
import { isDeepStrictEqual } from 'node:util';
import { type AnyMachineSnapshot, type AnyStateMachine, getInitialSnapshot, getNextSnapshot, getNextTransitions, transition } from 'xstate';
import { getShortestPaths, getStateNodes } from 'xstate/graph';
import type { Stage } from './stage.ts';

export type Happening = { type: string; [key: string]: unknown };

export interface Walk {
  readonly machine: AnyStateMachine;
  readonly input: unknown;
  /** The events that can happen in a state, for one type: with their payloads, none where it cannot happen. */
  cases(type: string, snapshot: AnyMachineSnapshot): Happening[];
  /** The part of the context on which guards decide. */
  bits(context: never): unknown;
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

/** A text that identifies a transition within its chart. */
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

export function pathsOf({
  machine,
  input,
  cases,
  bits,
  limit = 20_000,
  feasible = steps => steps.length,
  byContext = false,
  also = [],
}: Walk): Step[][] {
  const signature = (s: AnyMachineSnapshot | undefined) => s && [s.value, bits(s.context as never)];
  const paths = getShortestPaths(alone(machine), {
    input,
    limit,
    events: (s: AnyMachineSnapshot) =>
      s.status !== 'active'
        ? []
        : [...new Set(getNextTransitions(s).map(t => t.eventType))]
            .filter(type => type !== '' && !type.startsWith('xstate.done.state'))
            .flatMap(type => cases(type, s)),
    serializeState: (s: AnyMachineSnapshot, e: Happening | undefined, before: AnyMachineSnapshot | undefined) =>
      JSON.stringify([signature(s), e?.type, before?.value, isDeepStrictEqual(signature(s), signature(before))]),
  } as never) as never as { steps: { state: AnyMachineSnapshot; event: Happening }[] }[];
  const model = alone(machine);
  const isCase = (state: AnyMachineSnapshot, event: Happening): boolean =>
    getNextTransitions(state).some(
      ({ eventType }) =>
        (eventType === event.type || (eventType.endsWith('*') && event.type.startsWith(eventType.slice(0, -1)))) &&
        cases(eventType, state).some(each => isDeepStrictEqual(each, event)),
    );
  interface Node {
    readonly state: AnyMachineSnapshot;
    readonly next: Map<string, Node | null>;
  }
  const start: Node = { state: getInitialSnapshot(model, input as never) as AnyMachineSnapshot, next: new Map() };
  /** States of a path stand for all that look alike; here they become those that it really leads through, as far as it can. */
  const replay = (events: readonly Happening[]): Step[] => {
    let at = start;
    const steps: Step[] = [];
    for (const event of events) {
      const key = JSON.stringify(event);
      let next = at.next.get(key);
      if (next === undefined) {
        const possible = at.state.status === 'active' && isCase(at.state, event);
        next = possible ? { state: getNextSnapshot(model, at.state, event as never) as AnyMachineSnapshot, next: new Map() } : null;
        at.next.set(key, next);
      }
      if (next === null) break;
      steps.push({ state: next.state, event });
      at = next;
    }
    return steps;
  };
  // A path is walked for what is new in it: a step from a state by an event to a state that no path before it has.
  const seen = new Set<string>();
  const possible = (events: readonly Happening[]): Step[] => {
    const steps = replay(events);
    return steps.slice(0, feasible(steps));
  };
  const found = paths
    .map(path => possible(path.steps.slice(1).map(step => step.event)))
    .sort((a, b) => b.length - a.length)
    .filter(steps => {
      const marks = steps.map(({ state, event }, i) =>
        JSON.stringify([
          byContext ? signature(steps[i - 1]?.state) : steps[i - 1]?.state.value,
          event,
          state.value,
          (state.context as { cause?: { code: string } | null }).cause?.code,
        ]),
      );
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
  /** Causes an event in the world, and returns the events that reached the subject. `ahead`: the rest of the path. */
  perform(event: Happening, ahead: readonly Happening[]): Promise<readonly Happening[]>;
  /** Throws where an invariant does not hold; called after every step. */
  check(): void;
}

/** How long a walk waits for an event, in ms of real time. */
export const patience = { ms: 20_000 };

async function inTime<T>(happening: Promise<T>): Promise<T> {
  let late: NodeJS.Timeout | undefined;
  try {
    return await Promise.race([
      happening,
      new Promise<never>((_, reject) => {
        late = setTimeout(() => reject(new Error('the event did not happen in time')), patience.ms);
      }),
    ]);
  } finally {
    clearTimeout(late);
  }
}

/** Plays one path. Returns where the system differs from the model, or which event could not be caused; null: it went well. */
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
        const [next, actions] = transition(model, expected, happened as never);
        expected = next as AnyMachineSnapshot;
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

/** Waits until a matching event is held at the gate, and releases it. */
export async function receive({ gate }: Stage, fits: (event: Happening) => boolean): Promise<Happening> {
  const held = await gate.wait(fits);
  gate.release(held);
  return held.event;
}

/** Lets time pass until a timer of the subject fires. Throws where it is another timer, or has another duration. */
export function elapse({ clock, gate }: Stage, type: string, expectedMs: number): Happening {
  const before = gate.timers.length;
  for (let steps = 0; steps < 1_000; steps += 1) {
    const ms = clock.step();
    if (ms === null) break;
    const fired = gate.timers[before];
    if (fired === undefined) continue;
    if (fired !== type) throw new Error(`${fired} fired before ${type}`);
    if (Math.round(ms) !== Math.round(expectedMs)) throw new Error(`${type} fired after ${ms} ms, not ${expectedMs}`);
    return { type };
  }
  throw new Error(`${type} did not fire`);
}

/** `xstate.after.NAME.…` → NAME; null for every other event. */
export const delayOf = (type: string): string | null => /^xstate\.after\.([^.]+)\./.exec(type)?.[1] ?? null;

/** The result of one path. `finding` says what was wrong; null: nothing. */
export interface Played {
  readonly finding: string | null;
  readonly taken: ReadonlySet<string>;
  readonly visited: ReadonlySet<string>;
}

/** Collects the states and transitions that were walked, over many paths. */
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
    /** The states and transitions that no path has walked. */
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
