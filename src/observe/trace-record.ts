// One step of a chart as a flat record, and the fields of an event that a record may contain. It knows no actor and keeps nothing.
import type { AnyStateNode, AnyTransitionDefinition } from 'xstate';
import { reasonOf } from '../errors.ts';
import { bounds } from '../limits.ts';
import { printable } from '../printable.ts';
import type { Fact } from './explanation.ts';

export type Facts = Readonly<Record<string, Fact>>;

/** One step of a chart. From an event it has the type and the safe fields: no payload, no context, no token. */
export interface TraceRecord {
  /** In ms since 1970. */
  readonly at: number;
  /**
   * `created`: an actor exists; `event`: it was sent an event; `transition`: it took a transition with a target; `ended`: it has
   * stopped.
   */
  readonly kind: 'created' | 'event' | 'transition' | 'ended';
  /** XState's session id of the actor, which is never used again in this process. */
  readonly actor: string;
  readonly parent: string | null;
  /** The id of the actor's chart: `supervisor`, `instance`, `session`, `connection` or `pool`. */
  readonly machine: string;
  readonly instanceId: string | null;
  /** The public id, as in stats(), events and log lines. */
  readonly connectionId: string | null;
  /** The type of the event. For `ended`: `done`, `stopped` or `error`. For `created`: null. */
  readonly event: string | null;
  /** The safe fields of the event: see SAFE_FIELDS. */
  readonly facts: Facts;
  /** For `event`: the session id of the sender. */
  readonly source: string | null;
  /** The states that were left and entered, as paths in the chart; states of several regions are joined by commas. */
  readonly from: string | null;
  readonly to: string | null;
  readonly guard: string | null;
  /** A text that identifies the transition within its chart. */
  readonly edge: string | null;
  /** The names of the transition's own actions. */
  readonly actions: readonly string[];
}

/** The fields of events that may be kept. Every other field is left out. */
const SAFE_FIELDS: ReadonlySet<string> = new Set([
  'connectionActorId',
  'code',
  'message',
  'exitCode',
  'signal',
  'grace',
  'address',
  'left',
  'bytes',
  'limit',
  'by',
  'because',
  'epoch',
  'wanted',
  'drain',
]);
/**
 * What is as long as a token is removed: no word in a message of spearlet is. These messages quote no text of a peer, so this is a second
 * protection.
 */
const TOKEN_LIKE = /[\w-]{32,}/g;
const safeValue = (value: unknown): Fact | undefined => {
  if (typeof value === 'string') return printable(value.replace(TOKEN_LIKE, '…'), bounds.tracedText);
  return typeof value === 'number' || typeof value === 'boolean' || value === null ? value : undefined;
};

const nameOf = (reference: unknown): string =>
  typeof reference === 'string' ? reference : ((reference as { type?: string } | null)?.type ?? '(inline)');

/** The ids in the input of an actor. */
export const inputOf = (ref: object): { instanceId?: string | null; connectionActorId?: string; poolId?: string } =>
  (ref as { options?: { input?: object } }).options?.input ?? {};

/** The path of a state: its id without the id of its machine. */
export const pathOf = (node: AnyStateNode): string => node.id.slice(node.machine.id.length + 1);
export const isInnermost = (node: AnyStateNode): boolean => node.type === 'atomic' || node.type === 'final';

/** Sorts states by their order in the chart. A snapshot has them in any order. */
export const inOrder = (nodes: readonly AnyStateNode[]): AnyStateNode[] => [...nodes].sort((a, b) => a.order - b.order);

/** The guard, the identity and the actions of a transition, as texts. */
export function describe({ source, eventType, guard, target, actions }: AnyTransitionDefinition) {
  const guarded = guard === undefined ? null : nameOf(guard);
  const edge = `${source.id} --${eventType}${guarded === null ? '' : `[${guarded}]`}--> ${target?.map(node => node.id).join() ?? ''}`;
  return { guard: guarded, edge, actions: actions.map(nameOf) };
}

/** The innermost states that have changed. Where none has changed, the state that was entered again is both. */
export function sourceAndTarget(
  left: readonly AnyStateNode[],
  entered: readonly AnyStateNode[],
  transition: AnyTransitionDefinition | undefined,
) {
  const paths = (nodes: readonly AnyStateNode[]): string => inOrder(nodes).map(pathOf).join(', ');
  const from = paths(left.filter(node => !entered.includes(node)));
  const to = paths(entered.filter(node => !left.includes(node)));
  const again = to === '' ? paths(transition?.target ?? []) : '';
  return { from: left.length === 0 ? null : from || again, to: to || again };
}

/** The safe fields of an event; null where it has none. */
export function safeFieldsOf(event: object): Record<string, Fact> | null {
  let facts: Record<string, Fact> | null = null;
  for (const name in event) {
    const value = (event as Record<string, unknown>)[name];
    const fact = SAFE_FIELDS.has(name) ? safeValue(value) : name === 'error' ? safeValue(reasonOf(value)) : undefined;
    if (fact !== undefined) (facts ??= {})[name] = fact;
  }
  return facts;
}
