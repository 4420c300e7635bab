// Everything that is drawn, by file name: for each machine its chart as SVG, as Mermaid text, and its definition as JSON; and
// an overview of the instance.
import type { AnyStateMachine } from 'xstate';
import {
  agentMachine,
  connectionMachine,
  executionMachine,
  instanceMachine,
  poolMachine,
  sessionMachine,
  supervisorMachine,
} from '../machines/index.ts';
import { chartOf } from './chart.ts';
import { choose } from './choose.ts';
import { definitionOf } from './definition.ts';
import { mermaidOf } from './mermaid.ts';
import { overviewOf } from './overview.ts';
import { svgOf } from './svg.ts';

export const machines: readonly AnyStateMachine[] = [
  instanceMachine,
  sessionMachine,
  connectionMachine,
  supervisorMachine,
  poolMachine,
  executionMachine,
  agentMachine,
];

/** The instance in the states that callers see. */
export const overview = 'instance-overview.svg';

export async function drawingsOf(machine: AnyStateMachine): Promise<Record<string, string>> {
  const chart = chartOf(machine);
  return {
    ...(machine === instanceMachine ? { [overview]: svgOf(await choose(overviewOf(chart), true), 'instance-overview') } : {}),
    [`${machine.id}.svg`]: svgOf(await choose(chart)),
    [`${machine.id}.mmd`]: mermaidOf(chart),
    [`${machine.id}.json`]: definitionOf(machine),
  };
}
