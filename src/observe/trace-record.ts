// One happening of a chart as a flat record, and what of an event may stand in it. It knows no actor and keeps nothing.
import type { AnyStateNode, AnyTransitionDefinition } from 'xstate';
import { reasonOf } from '../errors.ts';
import { bounds } from '../limits.ts';
import { printable } from '../printable.ts';

export type Fact = string | number | boolean | null;
export type Facts = Readonly<Record<string, Fact>>;

/** One happening of a chart. Of an event it holds the type and harmless facts: no payload, no context, no token. */
export interface TraceRecord {
  /** When, in ms since 1970. */
  readonly at: number;
  /** `born`: an actor was made; `event`: it was sent one; `moved`: a transition with a target was taken; `ended`: it is gone. */
  readonly kind: 'born' | 'event' | 'moved' | 'ended';
  /** By session id, which no other actor of this process ever has. */
  readonly actor: string;
  readonly parent: string | null;
  /** The id of its chart: `supervisor`, `instance` or `connection`. */
  readonly machine: string;
  readonly instanceId: string | null;
  /** As stats(), events and log lines name it. */
  readonly connectionId: string | null;
  /** The type of the event that happened; of an `ended`, how: `done`, `stopped` or `error`. Null for a `born`. */
  readonly event: string | null;
  /** What is known to be harmless of the event: see FACTS. */
  readonly facts: Facts;
  /** Of an `event`: who sent it, by session id. */
  readonly source: string | null;
  /** The states left and entered, as paths in the chart; those of several regions are joined by commas. */
  readonly from: string | null;
  readonly to: string | null;
  readonly guard: string | null;
  /** The transition, told apart from all others of its chart. */
  readonly edge: string | null;
  /** The names of the transition's own actions. */
  readonly actions: readonly string[];
}

/** The fields of events that may be kept. What is not named here never is. */
const FACTS: ReadonlySet<string> = new Set([
  'connectionId',
  'code',
  'message',
  'pid',
  'exitCode',
  'signal',
  'grace',
  'address',
  'final',
  'left',
  'bytes',
  'limit',
]);
/** A run of characters as long as a token: no word of ours is. Our messages quote nothing of a peer; this is the second lock. */
const TOKEN_LIKE = /[\w-]{32,}/g;
const harmless = (value: unknown): Fact | undefined => {
  if (typeof value === 'string') return printable(value.replace(TOKEN_LIKE, '…'), bounds.tracedText);
  return typeof value === 'number' || typeof value === 'boolean' || value === null ? value : undefined;
};

const nameOf = (reference: unknown): string =>
  typeof reference === 'string' ? reference : ((reference as { type?: string } | null)?.type ?? '(inline)');

/** A state as a path: its id without that of its machine. */
export const pathOf = (node: AnyStateNode): string => node.id.slice(node.machine.id.length + 1);
export const innermost = (node: AnyStateNode): boolean => node.type === 'atomic' || node.type === 'final';

/** As they stand in the chart. A snapshot has them in any order. */
export const inOrder = (nodes: readonly AnyStateNode[]): AnyStateNode[] => [...nodes].sort((a, b) => a.order - b.order);

/** A transition in words. */
export function describe({ source, eventType, guard, target, actions }: AnyTransitionDefinition) {
  const guarded = guard === undefined ? null : nameOf(guard);
  const edge = `${source.id} --${eventType}${guarded === null ? '' : `[${guarded}]`}--> ${target?.map(node => node.id).join() ?? ''}`;
  return { guard: guarded, edge, actions: actions.map(nameOf) };
}

/** From where to where: the innermost states that have changed; where none has, the one that was entered again. */
export function wayOf(left: readonly AnyStateNode[], entered: readonly AnyStateNode[], transition: AnyTransitionDefinition | undefined) {
  const paths = (nodes: readonly AnyStateNode[]): string => inOrder(nodes).map(pathOf).join(', ');
  const from = paths(left.filter(node => !entered.includes(node)));
  const to = paths(entered.filter(node => !left.includes(node)));
  const again = to === '' ? paths(transition?.target ?? []) : '';
  return { from: left.length === 0 ? null : from || again, to: to || again };
}

/** What is harmless of an event; null where nothing is. */
export function harmlessOf(event: object): Record<string, Fact> | null {
  let facts: Record<string, Fact> | null = null;
  for (const name in event) {
    const value = (event as Record<string, unknown>)[name];
    const fact = FACTS.has(name) ? harmless(value) : name === 'error' ? harmless(reasonOf(value)) : undefined;
    if (fact !== undefined) (facts ??= {})[name] = fact;
  }
  return facts;
}
