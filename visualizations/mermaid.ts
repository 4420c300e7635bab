// A chart as Mermaid's stateDiagram-v2. A transition of a whole state to one within it starts at a state of its own,
// since Mermaid draws no edge from a parent to its child; transitions that leave no state are comments.
import { edgesOf, textOf } from './card.ts';
import { type Chart, isWithin, type State } from './chart.ts';

export function mermaidOf(chart: Chart): string {
  const edges = edgesOf(chart.transitions);
  const blocks = (state: State, depth: number): string[] => {
    const indent = '  '.repeat(depth);
    const named = `${indent}state "${clean(state.name)}" as ${keyOf(state.id)}`;
    if (state.states.length === 0) return state.type === 'final' ? [named, `${indent}${keyOf(state.id)} --> [*]`] : [named];
    const inner = state.states.map(child => blocks(child, depth + 1));
    const lines =
      state.type === 'parallel' ? inner.flatMap((each, index) => (index === 0 ? each : [`${indent}  --`, ...each])) : inner.flat();
    if (edges.some(({ source, target }) => source === state.id && isWithin(target, source)))
      lines.unshift(`${indent}  state "anywhere in ${clean(state.name)}" as ${keyOf(state.id)}__anywhere`);
    if (state.initial !== null) lines.unshift(`${indent}  [*] --> ${keyOf(state.initial)}`);
    return [`${named} {`, ...lines, `${indent}}`];
  };
  const arrows = edges.flatMap(({ source, target, transitions }) => {
    const from = isWithin(target, source) ? `${keyOf(source)}__anywhere` : keyOf(source);
    return transitions.map(each => `  ${from} --> ${keyOf(target)} : ${clean(textOf(each))}`);
  });
  const internal = chart.transitions
    .filter(({ targets }) => targets.length === 0)
    .map(each => `  %% within ${each.source} : ${clean(textOf(each))}`);
  return `${['stateDiagram-v2', ...blocks(chart.root, 1), ...arrows, ...internal].join('\n')}\n`;
}

function keyOf(id: string): string {
  return id.replaceAll(/[^A-Za-z0-9]/g, '_');
}

/** Without the characters that mean something to Mermaid. */
function clean(text: string): string {
  return text.replaceAll(/[;:#"{}<>%]/g, ' ');
}
