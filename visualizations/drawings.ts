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
import { type Chart, chartOf } from './chart.ts';
import { choose } from './choose.ts';
import { definitionOf } from './definition.ts';
import { formOf, type Layout, layOut } from './layout.ts';
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

/** `drawn`: the drawings that exist, whose form is taken. Without it, the form that reads best is chosen anew, which takes seconds. */
export async function drawingsOf(machine: AnyStateMachine, drawn?: (name: string) => string): Promise<Record<string, string>> {
  const chart = chartOf(machine);
  const layout = (name: string, shown: Chart, compact: boolean): Promise<Layout> =>
    drawn === undefined ? choose(shown, compact) : layOut(shown, formOf(drawn(name)));
  const name = `${machine.id}.svg`;
  return {
    ...(machine === instanceMachine ? { [overview]: svgOf(await layout(overview, overviewOf(chart), true), 'instance-overview') } : {}),
    [name]: svgOf(await layout(name, chart, false)),
    [`${machine.id}.mmd`]: mermaidOf(chart),
    [`${machine.id}.json`]: definitionOf(machine),
  };
}
