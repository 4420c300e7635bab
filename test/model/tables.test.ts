// What runs per request and in the agent process are tables; the charts of the same name are drawn. Here they are equal:
// in every state, for every event, and along every path from the start.

import { describe, expect, test } from 'vitest';
import { type AnyMachineSnapshot, type AnyStateMachine, getInitialSnapshot, getNextSnapshot } from 'xstate';
import { getShortestPaths, getStateNodes } from 'xstate/graph';
import { agentMachine, executionMachine } from '../../machines/index.ts';
import { table as agentTable, initialState } from '../../src/agent/table.ts';
import { table as executionTable } from '../../src/runtime/execution.ts';
import { delayOf } from './walk.ts';

type Table = Readonly<Record<string, Readonly<Partial<Record<string, string>>>>>;

/** The innermost state, by its own name: that is how the tables name it. */
const leaf = (value: unknown): string => (typeof value === 'string' ? value : leaf(Object.values(value as object)[0]));

describe.each<[string, AnyStateMachine, Table, string]>([
  ['execution', executionMachine, executionTable, 'waiting'],
  ['agent', agentMachine, agentTable, initialState],
])('%s', (_, machine, table, initial) => {
  const leaves = getStateNodes(machine).filter(node => node.type === 'atomic' || node.type === 'final');
  const eventsOf = (node: (typeof leaves)[number]): string[] => {
    const own = [...node.transitions.keys()];
    return node.parent === undefined ? own : [...own, ...eventsOf(node.parent)];
  };
  const every = [...new Set(leaves.flatMap(eventsOf))];
  const nameOf = (event: string) => delayOf(event) ?? event;

  test('has the same states and the same start', () => {
    expect(Object.keys(table).sort()).toEqual(leaves.map(node => node.key).sort());
    expect(leaf(getInitialSnapshot(machine).value)).toBe(initial);
  });

  test('moves alike in every state for every event', () => {
    for (const node of leaves) {
      const path = node.path.slice(0, -1).reduceRight<unknown>((value, key) => ({ [key]: value }), node.key);
      const state = node.type === 'final' ? null : machine.resolveState({ value: path as never, context: {} });
      const names = [...new Set([...every.map(nameOf), ...Object.values(table).flatMap(Object.keys)])];
      for (const name of names) {
        const events = every.filter(event => nameOf(event) === name && (delayOf(event) === null || eventsOf(node).includes(event)));
        const chart =
          state === null
            ? node.key
            : leaf((getNextSnapshot(machine, state as never, { type: events[0] ?? name } as never) as AnyMachineSnapshot).value);
        expect({ state: node.key, event: name, next: table[node.key]![name] ?? node.key }).toEqual({
          state: node.key,
          event: name,
          next: chart,
        });
      }
    }
  });

  test('ends every path in the same state', () => {
    const paths = getShortestPaths(machine, {
      events: every.map(type => ({ type })) as never,
      serializeState: ((s: AnyMachineSnapshot, e: { type: string } | undefined, before: AnyMachineSnapshot | undefined) =>
        JSON.stringify([s.value, e?.type, before?.value])) as never,
      limit: 20_000,
    }) as unknown as { state: AnyMachineSnapshot; steps: { event: { type: string } }[] }[];
    expect(paths.length).toBeGreaterThan(20);
    for (const { state, steps } of paths) {
      // A timer of another state than the one it is in does not fire.
      const end = steps.slice(1).reduce((at, { event }) => {
        const owner = /^xstate\.after\.[^.]+\.(.+)$/.exec(event.type)?.[1];
        if (owner !== undefined && !leaves.some(node => node.key === at && (node.id === owner || node.id.startsWith(`${owner}.`))))
          return at;
        return table[at]![nameOf(event.type)] ?? at;
      }, initial);
      expect(end).toBe(leaf(state.value));
    }
  });
});
