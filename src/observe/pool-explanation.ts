// Explains why a pool is in its state, as data and as text. What its members wait for is explained by the id of their instance.
import type { PoolState } from '../../machines/public-types.ts';
import type { InstanceState } from '../instance/instance.ts';
import { bounds } from '../limits.ts';
import { printable } from '../printable.ts';
import { type Clock, iso } from '../world/clock.ts';
import { createParts } from './explained-parts.ts';
import { type Explained, type ExplainedState, indented, stateLines, transitionLine } from './explanation.ts';
import type { Trace } from './trace.ts';

/** One member of a pool. */
export interface MemberFacts {
  /** The id of its instance. */
  readonly instanceId: string;
  /** The state of its instance. */
  readonly state: InstanceState;
  /** Executions that it runs. */
  readonly running: number;
  /** Executions that it was given. */
  readonly executions: number;
  /** It is given no more executions, and ends when it runs none. */
  readonly leaving: boolean;
}

/** What a pool is and does now. */
export interface PoolFacts {
  /** The id of the pool. */
  readonly poolId: string;
  /** The name of what its members run, as in the spec. */
  readonly artifactId: string;
  /** The state of the pool. */
  readonly state: PoolState;
  /** Every member that has become ready and has not ended. */
  readonly members: readonly MemberFacts[];
  /** Executions that wait for a free member. */
  readonly waiting: number;
  /** Executions that run on a member. */
  readonly running: number;
  /** Why the last member has failed; null: none has. */
  readonly failure: string | null;
}

/** What a pool does or waits for, and which transitions led there. String(explanation) is text for people, without a token. */
export interface PoolExplanation extends PoolFacts, Explained {
  /** When the explanation was made, in ms since 1970. */
  readonly at: number;
  /** One for each region of the chart: the members, and the intake. */
  readonly states: readonly ExplainedState[];
}

/**
 * `last`: the explanation of a pool that has ended, and whose trace is forgotten.
 * @internal
 */
export function explainPool(facts: PoolFacts, trace: Trace, clock: Clock, last: PoolExplanation | null): PoolExplanation {
  const { statesOf, partsOf } = createParts(clock);
  const actor = trace.of(facts.poolId);
  const { states, waits, endedBy, transitions } =
    actor === undefined ? { states: [], waits: [], endedBy: [], transitions: [], ...last } : { states: statesOf(actor), ...partsOf(actor) };
  const explanation = { at: clock.wall(), ...facts, states, waits, endedBy, transitions };
  return Object.defineProperty(explanation, 'toString', { value: () => textOf(explanation) });
}

function textOf(explanation: PoolExplanation): string {
  const { poolId, artifactId, state, at, members, waiting, running, states, transitions, failure } = explanation;
  return [
    `${poolId} (${printable(artifactId, bounds.tracedText)}) is ${state} at ${iso(at)}`,
    `  ${members.length} members, ${running} executions run, ${waiting} wait`,
    ...indented(stateLines(states, explanation, at)),
    ...members.map(
      ({ instanceId, state: its, running: runs, executions, leaving }) =>
        `member ${instanceId} is ${its}: runs ${runs}, was given ${executions}${leaving ? ', is leaving' : ''}`,
    ),
    ...(failure === null ? [] : [`last failure: ${printable(failure, bounds.quoted)}`]),
    'transitions of the pool:',
    ...indented(transitions.map(transitionLine)),
  ].join('\n');
}
