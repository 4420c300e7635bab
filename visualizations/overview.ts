// The chart of an instance in the nine states that callers see: a projection of the whole chart, so that both cannot differ.
// Inner states are merged into the public state that they belong to. Guards stand where they decide; actions are left out,
// and so is the end after an error inside spearlet, which can come in any state.
import { stateOf } from '../src/instance/instance.ts';
import type { Chart, State, Transition } from './chart.ts';
import { statesOf } from './chart.ts';

/** The public state of an inner state, by its path as XState writes a state value. */
export function publicStateOf(id: string): string {
  const [, ...path] = id.split('.');
  return stateOf(path.reduceRight<unknown>((inner, key) => (inner === undefined ? key : { [key]: inner }), undefined));
}

export function overviewOf(chart: Chart): Chart {
  const all = new Map(statesOf(chart.root).map(state => [state.id, state]));
  /** The innermost state in which a state begins. */
  const beginning = (state: State): State => (state.initial === null ? state : beginning(all.get(state.initial)!));
  const leavesOf = (state: State): State[] => (state.states.length === 0 ? [state] : state.states.flatMap(leavesOf));
  const publicOf = (state: State): string[] => [...new Set(leavesOf(state).map(({ id }) => publicStateOf(id)))];

  /** The state of the overview that stands for a state of the chart: a public one, or a group of several. */
  const nameOf = (state: State): string => (publicOf(state).length === 1 ? `${chart.root.name}.${publicOf(state)[0]}` : state.id);

  const seen = new Set<string>();
  const project = (state: State): State[] => {
    const id = nameOf(state);
    if (seen.has(id)) return [];
    if (publicOf(state).length === 1) {
      seen.add(id);
      const name = publicOf(state)[0]!;
      const isFinal = state.type === 'final' && state.name === name;
      return [
        {
          ...{ id, name, type: isFinal ? 'final' : 'atomic', description: '', tags: [] },
          ...{ invokes: [], entry: [], exit: [], initial: null, states: [] },
        },
      ];
    }
    const states = state.states.flatMap(project);
    // What holds nearly everything is no group that would help a reader.
    if (state.id === `${chart.root.name}.running`) return states;
    return [{ ...state, description: '', entry: [], exit: [], invokes: [], states, initial: null }];
  };
  const root: State = {
    ...chart.root,
    ...{ type: 'compound', description: '', entry: [], exit: [], invokes: [], tags: [] },
    initial: nameOf(beginning(chart.root)),
    states: chart.root.states.flatMap(project),
  };
  return { root, transitions: transitionsOf(chart, all, nameOf, beginning) };
}

function transitionsOf(
  chart: Chart,
  all: ReadonlyMap<string, State>,
  nameOf: (state: State) => string,
  beginning: (state: State) => State,
): Transition[] {
  const found: Transition[] = [];
  const ended = [...all.values()].find(({ type, id }) => type === 'final' && id.split('.').length === 3)!;
  for (const transition of chart.transitions) {
    const { source, event, kind, targets, guard } = transition;
    const target = targets[0] === undefined ? undefined : all.get(targets[0]);
    if (target === undefined || kind === 'error') continue;
    // A compound state is done when it has reached its final state: that is where such a transition begins.
    const from = nameOf(kind === 'done' && all.get(source)!.states.includes(ended) ? ended : all.get(source)!);
    const to = nameOf(beginning(target));
    if (from === to) continue;
    // Decided by a guard: the same event leads elsewhere, too.
    const decides = chart.transitions.some(
      each =>
        each.source === source && each.event === event && each.targets.length > 0 && nameOf(beginning(all.get(each.targets[0]!)!)) !== to,
    );
    // From a group to one of its own states: a transition of its other states.
    const inner = statesOf(all.get(source)!).map(nameOf);
    const sources = inner.includes(to) ? [...new Set(inner)].filter(each => each !== to && each !== from) : [from];
    for (const each of sources) {
      if (found.some(other => other.source === each && other.targets[0] === to && other.event === event)) continue;
      found.push({ ...transition, source: each, targets: [to], guard: decides ? guard : null, actions: [] });
    }
  }
  // What a group does as a whole its members need not say again.
  const isSaid = ({ source, targets, event }: Transition): boolean =>
    found.some(each => holds(all, nameOf, each.source, source) && each.targets[0] === targets[0] && each.event === event);
  return found.filter(each => !isSaid(each));
}

/** Whether a group of the overview holds another of its states. */
function holds(all: ReadonlyMap<string, State>, nameOf: (state: State) => string, group: string, inner: string): boolean {
  const outer = all.get(group);
  return group !== inner && outer !== undefined && outer.states.some(each => statesOf(each).some(state => nameOf(state) === inner));
}
