// What a state's card and an edge's label say: name, description, invokes, actions, transitions. A transition that leaves no
// state stands in the card, and so does one by which a whole group of states is left: labels of these would need the width
// of several pages. It knows nothing of where cards and labels will stand.
import { isWithin, type Kind, type State, type Transition } from './chart.ts';
import { type Line, sizes, wrap } from './text.ts';

/** Transitions of one kind between the same two states: one line on the drawing. */
export interface Edge {
  readonly id: string;
  readonly kind: Kind;
  readonly source: string;
  readonly target: string;
  readonly transitions: readonly Transition[];
}

/** Whether a transition is told in the card of its source, and not on a label of its own. */
export function isInCard({ states }: State, { source, targets }: Transition, groupsInCard: boolean): boolean {
  return targets.length === 0 || (groupsInCard && states.length > 0 && targets.every(target => !isWithin(target, source)));
}

export function cardLines(state: State, own: readonly Transition[], width: number): Line[] {
  const note = (text: string) => wrap(text, width, { role: 'note', size: sizes.text }, 10);
  return [
    { text: state.name, role: 'name', size: sizes.name, indent: 0 },
    ...(state.description === '' ? [] : wrap(state.description, width, { role: 'description', size: sizes.text })),
    ...(state.type === 'parallel' ? note('parallel: all of these at once') : []),
    ...(state.tags.length > 0 ? note(`tags ${state.tags.join(', ')}`) : []),
    ...(state.invokes.length > 0 ? note(`invokes ${state.invokes.join(', ')}`) : []),
    ...(state.entry.length > 0 ? note(`entry / ${state.entry.join(', ')}`) : []),
    ...(state.exit.length > 0 ? note(`exit / ${state.exit.join(', ')}`) : []),
    ...own.flatMap(each => transitionLines(each, width, true)),
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
  const to = transition.targets.map(target => ` → ${target.split('.').at(-1)}`).join('');
  if (inOne) return wrap(`${textOf(transition)}${to}`, width, style, 10);
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
