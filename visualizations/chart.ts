// A machine as a plain graph: states in states and the transitions between them, everything by its name.
// It knows XState's compiled form and nothing of how a chart looks.
import type { AnyStateMachine, AnyStateNode, AnyTransitionDefinition } from 'xstate';

export type Kind = 'event' | 'timeout' | 'done' | 'error' | 'always';

export interface State {
  /** The path with the machine's id first, as in `instance.running.connected.ready`. */
  readonly id: string;
  readonly name: string;
  readonly type: 'atomic' | 'compound' | 'parallel' | 'final' | 'history';
  readonly description: string;
  readonly tags: readonly string[];
  readonly invokes: readonly string[];
  readonly entry: readonly string[];
  readonly exit: readonly string[];
  readonly initial: string | null;
  readonly states: readonly State[];
}

export interface Transition {
  /** Where it stands in the machine: the state, the event as XState calls it, and which of several. Holds no space. */
  readonly id: string;
  readonly kind: Kind;
  readonly source: string;
  /** Empty where the state is not left. */
  readonly targets: readonly string[];
  readonly event: string;
  readonly guard: string | null;
  readonly actions: readonly string[];
}

export interface Chart {
  readonly root: State;
  readonly transitions: readonly Transition[];
}

/** An action as XState holds it: a name, a name with parameters, or one of XState's own functions. */
type Action = string | { type?: string; name?: string; params?: unknown; event?: { type?: string }; delay?: unknown };

export function chartOf(machine: AnyStateMachine): Chart {
  const transitions: Transition[] = [];
  const visit = (node: AnyStateNode): State => {
    transitions.push(...transitionsOf(node));
    return {
      id: node.id,
      name: node.key,
      type: node.type,
      description: (node.description ?? '').replaceAll('`', ''),
      tags: node.tags,
      invokes: node.invoke.map(({ id, src }) => (typeof src !== 'string' || id === src ? id : `${src} as ${id}`)),
      entry: namesOf(node.entry),
      exit: namesOf(node.exit),
      initial: node.type === 'compound' ? (node.initial?.target?.[0]?.id ?? null) : null,
      states: Object.values(node.states).map(child => visit(child as AnyStateNode)),
    };
  };
  return { root: visit(machine.root), transitions };
}

/** Every state of a chart, a parent before its children. */
export function statesOf(state: State): State[] {
  return [state, ...state.states.flatMap(statesOf)];
}

/** Whether `inner` lies somewhere within `outer`. */
export function isWithin(inner: string, outer: string): boolean {
  return inner.startsWith(`${outer}.`);
}

function transitionsOf(node: AnyStateNode): Transition[] {
  const groups: [string, readonly AnyTransitionDefinition[]][] = [...node.transitions];
  if (node.always?.length) groups.push(['always', node.always]);
  return groups.flatMap(([descriptor, group]) =>
    group.map((transition, index) => ({
      id: `${node.id}/${descriptor}/${index}`,
      ...kindAndEvent(node, descriptor, transition),
      source: node.id,
      targets: (transition.target ?? []).map(target => target.id),
      guard: guardOf(transition.guard),
      actions: namesOf(transition.actions),
    })),
  );
}

function kindAndEvent(node: AnyStateNode, descriptor: string, transition: AnyTransitionDefinition): { kind: Kind; event: string } {
  if (descriptor === 'always') return { kind: 'always', event: 'always' };
  const delayed = node.after.find(({ eventType }) => eventType === descriptor);
  if (delayed) return { kind: 'timeout', event: `after ${typeof delayed.delay === 'number' ? `${delayed.delay} ms` : delayed.delay}` };
  if (descriptor.startsWith('xstate.done.state.')) return { kind: 'done', event: 'done' };
  const ended = /^xstate\.(done|error)\.actor\.(.+)$/.exec(descriptor);
  if (ended)
    return { kind: ended[1] as 'done' | 'error', event: ended[2] === '*' ? `${ended[1]} of any actor` : `${ended[1]} of ${ended[2]}` };
  return { kind: 'event', event: transition.eventType };
}

function guardOf(guard: unknown): string | null {
  if (guard === undefined || guard === null) return null;
  if (typeof guard === 'string') return guard;
  const { type, name } = guard as { type?: string; name?: string };
  return type ?? name ?? 'guard';
}

function namesOf(actions: readonly unknown[]): string[] {
  return (actions as readonly Action[]).filter(action => !isPartOfAfter(action)).map(nameOf);
}

/** XState compiles `after` into raising and cancelling an event of its own: that is no action of the machine's. */
function isPartOfAfter(action: Action): boolean {
  if (typeof action === 'string') return false;
  return action.type === 'xstate.cancel' || (action.type === 'xstate.raise' && action.event?.type?.startsWith('xstate.after.') === true);
}

function nameOf(action: Action): string {
  if (typeof action === 'string') return action;
  if (action.type === 'xstate.raise')
    return `raise ${action.event?.type ?? 'event'}${action.delay === undefined ? '' : ` after ${action.delay}`}`;
  const name = action.type ?? action.name ?? 'action';
  // One literal parameter tells two uses of an action apart; more of them would bury its name.
  const values = typeof action.params === 'object' && action.params !== null ? Object.values(action.params) : [];
  return values.length === 1 && /^(string|number|boolean)$/.test(typeof values[0]) ? `${name} ${values[0]}` : name;
}
