// Walks every path of a machine: the pure machine is the model, an actor that really runs is the system. What is counted
// are the transitions that the actor took, read from its microsteps.
import { isDeepStrictEqual } from 'node:util';
import {
  type AnyActorRef,
  type AnyMachineSnapshot,
  type AnyStateMachine,
  createActor,
  getNextTransitions,
  SimulatedClock,
  setup,
  spawnChild,
} from 'xstate';
import { getShortestPaths, getStateNodes } from 'xstate/graph';

export type Happening = { type: string; [key: string]: unknown };

export interface Walk {
  readonly machine: AnyStateMachine;
  readonly input: unknown;
  /** The events that can happen in a state, for one type: with their payloads, none where it cannot happen. */
  cases(type: string, snapshot: AnyMachineSnapshot): Happening[];
  /** The part of the context on which guards decide. */
  bits(context: never): unknown;
  readonly limit?: number;
}

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

/** The machine without messages to others: as a model it has nobody to send to. */
function alone(machine: AnyStateMachine): AnyStateMachine {
  const sends = Object.entries(machine.implementations.actions).filter(
    ([, action]) => (action as { type?: string }).type === 'xstate.sendTo',
  );
  return machine.provide({ actions: Object.fromEntries(sends.map(([name]) => [name, () => {}])) });
}

export function pathsOf({ machine, input, cases, bits, limit = 20_000 }: Walk) {
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
  // A path is walked for what is new in it: a step from a state by an event to a state that no path before it has.
  const seen = new Set<string>();
  return paths
    .sort((a, b) => b.steps.length - a.steps.length)
    .map(path => path.steps.slice(1))
    .filter(steps => {
      const marks = steps.map(({ state, event }, i) =>
        JSON.stringify([steps[i - 1]?.state.value, event, state.value, (state.context as { cause?: { code: string } | null }).cause?.code]),
      );
      const fresh = marks.some(mark => !seen.has(mark));
      for (const mark of marks) seen.add(mark);
      return fresh;
    });
}

export interface System {
  readonly actor: AnyActorRef;
  readonly clock: SimulatedClock;
  readonly reports: Happening[];
  stop(): void;
}

/** Runs a machine under a parent that keeps what it is told, on a simulated clock. */
export function run(machine: AnyStateMachine, input: unknown, taken: Set<string>): System {
  const clock = new SimulatedClock();
  const reports: Happening[] = [];
  const host = setup({ actors: { subject: machine }, actions: { keep: ({ event }) => reports.push(event as Happening) } }).createMachine({
    id: 'host',
    entry: spawnChild('subject', { id: 'subject', input: input as never }),
    on: { '*': { actions: 'keep' } },
  });
  const root = createActor(host, {
    clock,
    inspect: event => {
      if (event.type === '@xstate.microstep' && (event.actorRef as AnyActorRef).id === 'subject')
        for (const t of event._transitions) taken.add(keyOf(t as never));
    },
  });
  root.subscribe({ error: error => reports.push({ type: 'host.failed', error }) });
  root.start();
  const actor = root.getSnapshot().children.subject as AnyActorRef;
  return { actor, clock, reports, stop: () => root.stop() };
}

/** Performs each step of a path and says where the system is not in the state of the model. */
export function follow(
  system: System,
  steps: { state: AnyMachineSnapshot; event: Happening }[],
  perform: (event: Happening, system: System) => void,
): string | null {
  for (const [i, { event, state }] of steps.entries()) {
    perform(event, system);
    const { value } = system.actor.getSnapshot() as AnyMachineSnapshot;
    if (!isDeepStrictEqual(value, state.value))
      return `step ${i + 1} ${JSON.stringify(event)}: ${JSON.stringify(value)}, the model is in ${JSON.stringify(state.value)}`;
  }
  return null;
}

/** `xstate.after.NAME.…` → NAME; null for every other event. */
export const delayOf = (type: string): string | null => /^xstate\.after\.([^.]+)\./.exec(type)?.[1] ?? null;

/** Lets simulated time pass, a millisecond at a time so that timers set on the way fire in order, until the state changes. */
export function advance({ actor, clock }: System, ms: number): void {
  const before = (actor.getSnapshot() as AnyMachineSnapshot).value;
  for (let passed = 0; passed < ms && isDeepStrictEqual((actor.getSnapshot() as AnyMachineSnapshot).value, before); passed += 1)
    clock.increment(1);
}
