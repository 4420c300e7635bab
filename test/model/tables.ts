// Executions and agents run by tables; the charts of the same name are their drawings. A path is walked by the chart, as a running
// actor, and by the table.
import { type AnyMachineSnapshot, type AnyStateMachine, createActor, SimulatedClock } from 'xstate';
import { getShortestPaths, getStateNodes } from 'xstate/graph';
import { agentMachine, executionMachine } from '../../machines/index.ts';
import { table as agentTable, initialState } from '../../src/agent/table.ts';
import { table as executionTable } from '../../src/execution/phases.ts';
import { alone } from './paths.ts';
import { delayOf, keyOf, type Played } from './walk.ts';

export type Table = Readonly<Record<string, Readonly<Partial<Record<string, string>>>>>;

export interface Tabled {
  readonly machine: AnyStateMachine;
  readonly table: Table;
  readonly initial: string;
}

export const execution: Tabled = { machine: executionMachine, table: executionTable, initial: 'waiting' };
export const agent: Tabled = { machine: agentMachine, table: agentTable, initial: initialState };

/** The name of the innermost state, as the tables use it. */
export const leaf = (value: unknown): string => (typeof value === 'string' ? value : leaf(Object.values(value as object)[0]));

const leavesOf = (machine: AnyStateMachine) => getStateNodes(machine).filter(node => node.type === 'atomic' || node.type === 'final');
type Leaf = ReturnType<typeof leavesOf>[number];

const eventsOf = (node: Leaf): string[] => {
  const own = [...node.transitions.keys()];
  return node.parent === undefined ? own : [...own, ...eventsOf(node.parent)];
};
export const allEvents = (machine: AnyStateMachine): string[] => [...new Set(leavesOf(machine).flatMap(eventsOf))];
/** The table calls a timeout by its delay. */
const nameOf = (event: string): string => delayOf(event) ?? event;

/** The states that only the chart or only the table has. */
export function unmatchedStates({ machine, table }: Tabled): string[] {
  const names = leavesOf(machine).map(node => node.key);
  return [...names.filter(name => !(name in table)), ...Object.keys(table).filter(name => !names.includes(name))];
}

/** For each transition the events of a path from the start to it. */
export function pathsOf({ machine }: Tabled): string[][] {
  const paths = getShortestPaths(alone(machine), {
    events: allEvents(machine).map(type => ({ type })) as never,
    serializeState: ((s: AnyMachineSnapshot, e: { type: string } | undefined, before: AnyMachineSnapshot | undefined) =>
      JSON.stringify([s.value, e?.type, before?.value])) as never,
    limit: 20_000,
  }) as unknown as { steps: { event: { type: string } }[] }[];
  return paths.map(({ steps }) => steps.slice(1).map(step => step.event.type));
}

/** Walks a path by the chart `running` and by the table. `finding` says where they differ. */
export function playTable({ table, initial }: Tabled, running: AnyStateMachine, path: readonly string[]): Played {
  const taken = new Set<string>();
  const visited = new Set<string>();
  const clock = new SimulatedClock();
  const actor = createActor(alone(running), {
    clock,
    inspect: event => {
      if (event.type !== '@xstate.microstep') return;
      for (const t of event._transitions) taken.add(keyOf(t as never));
      for (const node of (event.snapshot as AnyMachineSnapshot)._nodes) visited.add(node.id);
    },
  });
  actor.start();
  for (const node of (actor.getSnapshot() as AnyMachineSnapshot)._nodes) visited.add(node.id);
  const leaves = leavesOf(running);
  let finding: string | null = null;
  let at = initial;
  const compare = (event: string): void => {
    const chart = leaf((actor.getSnapshot() as AnyMachineSnapshot).value);
    if (chart !== at) finding ??= `${path.join(' > ')}: after ${event} the chart is in ${chart}, the table in ${at}`;
  };
  compare('the start');
  for (const event of path) {
    // The timer of a state that is not active does not fire.
    const owner = /^xstate\.after\.[^.]+\.(.+)$/.exec(event)?.[1];
    const here = leaves.find(node => node.key === at);
    if (owner === undefined || here?.id === owner || here?.id.startsWith(`${owner}.`)) at = table[at]?.[nameOf(event)] ?? at;
    if (actor.getSnapshot().status === 'active') actor.send({ type: event } as never);
    compare(event);
  }
  actor.stop();
  return { finding, taken, visited };
}
