// What a state's card and an edge's label say: name, description, invokes, actions, and the transitions that leave no state.
// It knows nothing of where they will stand.
import type { Kind, State, Transition } from './chart.ts';
import { type Line, sizes, wrap } from './text.ts';

/** Transitions of one kind between the same two states: one line on the drawing. */
export interface Edge {
  readonly id: string;
  readonly kind: Kind;
  readonly source: string;
  readonly target: string;
  readonly transitions: readonly Transition[];
}

export function cardLines(state: State, within: readonly Transition[], width: number): Line[] {
  const note = (text: string) => wrap(text, width, { role: 'note', size: sizes.text }, 10);
  return [
    { text: state.name, role: 'name', size: sizes.name, indent: 0 },
    ...(state.description === '' ? [] : wrap(state.description, width, { role: 'description', size: sizes.text })),
    ...(state.type === 'parallel' ? note('parallel: all of these at once') : []),
    ...(state.tags.length > 0 ? note(`tags ${state.tags.join(', ')}`) : []),
    ...(state.invokes.length > 0 ? note(`invokes ${state.invokes.join(', ')}`) : []),
    ...(state.entry.length > 0 ? note(`entry / ${state.entry.join(', ')}`) : []),
    ...(state.exit.length > 0 ? note(`exit / ${state.exit.join(', ')}`) : []),
    ...within.flatMap(each => transitionLines(each, width, true)),
  ];
}

export function labelLines(edge: Edge, width: number): Line[] {
  return edge.transitions.flatMap(each => transitionLines(each, width, false));
}

export function textOf({ event, guard, actions }: Transition): string {
  return `${event}${guard === null ? '' : ` [${guard}]`}${actions.length === 0 ? '' : ` / ${actions.join(', ')}`}`;
}

function transitionLines(transition: Transition, width: number, inOne: boolean): Line[] {
  const { id, kind, event, guard, actions } = transition;
  const style = { role: kind, size: sizes.text, edge: id };
  if (inOne) return wrap(textOf(transition), width, style, 10);
  return [
    ...wrap(`${event}${guard === null ? '' : ` [${guard}]`}`, width, style, 10),
    ...(actions.length === 0 ? [] : wrap(`/ ${actions.join(', ')}`, width, { ...style, role: 'actions' }, 10)),
  ];
}

/** Edges in the order of the machine; a transition with several targets is in several edges. */
export function edgesOf(transitions: readonly Transition[]): Edge[] {
  const edges = new Map<string, Edge>();
  for (const transition of transitions)
    for (const target of transition.targets) {
      const { source, kind } = transition;
      const id = `${source} ${target} ${kind}`;
      edges.set(id, { id, kind, source, target, transitions: [...(edges.get(id)?.transitions ?? []), transition] });
    }
  return [...edges.values()];
}
