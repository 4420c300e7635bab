// The tables of executions and agents are equal to the charts that are drawn: in every state, for every event, and along every
// path from the start.

import { describe, expect, test } from 'vitest';
import { type AnyMachineSnapshot, getNextSnapshot } from 'xstate';
import { getStateNodes } from 'xstate/graph';
import { alone } from './paths.ts';
import { agent, allEvents, execution, leaf, pathsOf, playTable, unmatchedStates } from './tables.ts';
import { createCoverage, delayOf } from './walk.ts';

describe.each([execution, agent])('$machine.id', tabled => {
  const { table } = tabled;
  const machine = alone(tabled.machine);

  test('has the same states', () => {
    expect(unmatchedStates(tabled)).toEqual([]);
  });

  test('goes to the same state in every state for every event, also for events that are ignored there', () => {
    const nodes = getStateNodes(machine).filter(node => node.type === 'atomic' || node.type === 'final');
    const names = new Set([...allEvents(machine).map(event => delayOf(event) ?? event), ...Object.values(table).flatMap(Object.keys)]);
    for (const node of nodes) {
      const path = node.path.slice(0, -1).reduceRight<unknown>((value, key) => ({ [key]: value }), node.key);
      const state = node.type === 'final' ? null : machine.resolveState({ value: path as never, context: {} });
      for (const name of names) {
        const event = allEvents(machine).find(
          each =>
            (delayOf(each) ?? each) === name && (delayOf(each) === null || node.id.startsWith(each.slice(`xstate.after.${name}.`.length))),
        );
        const chart =
          state === null
            ? node.key
            : leaf((getNextSnapshot(machine, state as never, { type: event ?? name } as never) as AnyMachineSnapshot).value);
        expect({ state: node.key, event: name, next: table[node.key]![name] ?? node.key }).toEqual({
          state: node.key,
          event: name,
          next: chart,
        });
      }
    }
  });

  test('follows every path of its chart, and 100 % of states and transitions are walked', () => {
    const coverage = createCoverage(machine);
    for (const path of pathsOf(tabled)) {
      const played = playTable(tabled, machine, path);
      expect(played.finding).toBeNull();
      coverage.add(played);
    }
    console.info(coverage.report());
    expect(coverage.missing()).toEqual([]);
  });
});
