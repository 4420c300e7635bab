// Walks paths of a machine: the pure machine is the model; the system is the same machine at work in the engine, with
// its real effects. What is counted are the transitions that actors really took, read from their microsteps.
import { isDeepStrictEqual } from 'node:util';
import { type AnyMachineSnapshot, type AnyStateMachine, getInitialSnapshot } from 'xstate';
import { getStateNodes } from 'xstate/graph';
import { advance, alone, type Happening, type Step } from './paths.ts';
import type { Stage } from './stage.ts';

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
