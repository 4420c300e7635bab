// Walks every path of a chart. The model is the pure chart; the system is the same chart in the running engine, with its real
// effects. Only transitions that actors have really taken count, read from their microsteps.
import { isDeepStrictEqual } from 'node:util';
import { type AnyMachineSnapshot, type AnyStateMachine, getInitialSnapshot } from 'xstate';
import { getStateNodes } from 'xstate/graph';
import { advance, alone, type ModelEvent, type Step } from './paths.ts';
import type { Stage } from './stage.ts';

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

export interface Play {
  readonly stage: Stage;
  readonly machine: AnyStateMachine;
  readonly input: unknown;
  readonly steps: readonly Step[];
  /** Causes an event in the world, and returns the events that reached the subject. `ahead`: the rest of the path. */
  perform(event: ModelEvent, ahead: readonly ModelEvent[]): Promise<readonly ModelEvent[]>;
  /** Throws where an invariant does not hold; called after every step. */
  check(): void;
  /** The actions that send an event to another actor, with the type of the event: the subject has to send the same. */
  readonly sends?: Readonly<Record<string, string>>;
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
export async function play({ stage, machine, input, steps, perform, check, sends = {} }: Play): Promise<string | null> {
  const model = alone(machine);
  const isEffect = ({ type }: { type: string }): boolean =>
    !type.startsWith('xstate.') && (machine.implementations.actions[type] as { type?: string }).type === undefined;
  let expected = getInitialSnapshot(model, input as never) as AnyMachineSnapshot;
  const done: string[] = [];
  for (const [i, { event, state }] of steps.entries()) {
    done.push(event.type);
    const effects: string[] = [];
    const reports: string[] = [];
    stage.gate.effects.length = 0;
    stage.gate.reports.length = 0;
    try {
      const ahead = steps.slice(i + 1).map(step => step.event);
      for (const happened of await inTime(perform(event, ahead))) {
        const [next, actions] = advance(model, expected, happened);
        expected = next;
        effects.push(...actions.filter(isEffect).map(effectOf));
        reports.push(...actions.flatMap(({ type }) => sends[type] ?? []));
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
    const sent = stage.gate.reports.filter(type => Object.values(sends).includes(type));
    if (!isDeepStrictEqual(sent, reports)) return told('it has sent', sent, reports);
    if (!isDeepStrictEqual(actual.context, expected.context)) return told('context', actual.context, expected.context);
  }
  return null;
}

/** Waits until a matching event is held at the gate, and releases it. */
export async function receive({ gate }: Stage, fits: (event: ModelEvent) => boolean): Promise<ModelEvent> {
  const held = await gate.wait(fits);
  gate.release(held);
  return held.event;
}

/** Lets time pass until a timer of the subject fires. Throws where it is another timer, or has another duration. */
export function elapse({ clock, gate }: Stage, type: string, expectedMs: number): ModelEvent {
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
