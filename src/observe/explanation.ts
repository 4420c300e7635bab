// The data of an explanation, and its text: String(explanation) can be pasted into an issue.

import { type Refusals, refusalLines } from '../connection/refusals.ts';
import type { ExitReport, InstanceState } from '../instance/instance.ts';
import { endingOf, stderrLines } from '../instance/report.ts';
import { bounds } from '../limits.ts';
import { printable } from '../printable.ts';
import { iso } from '../world/clock.ts';

/** A field of an event. */
export type Fact = string | number | boolean | null;

/** One timeout or event that a state waits for. */
export interface Wait {
  /** The timeout by its name in the chart; null where only an event ends the wait. */
  readonly timeout: string | null;
  /** When the timeout is due, in ms since 1970; null where only an event ends the wait. */
  readonly until: number | null;
  /** What has to happen, and what happens otherwise. */
  readonly meaning: string;
}

/** One state of a chart. */
export interface ExplainedState {
  /** The path of the state in its chart, like `running.started.connected.ready`. */
  readonly state: string;
  /** When it was entered, in ms since 1970. */
  readonly since: number;
  /** The description of the state in its chart. */
  readonly meaning: string;
}

/** A transition and its cause. One that is repeated, alone or in turn with up to three others, is listed once. */
export interface ExplainedTransition {
  /** When it was taken last, in ms since 1970. */
  readonly at: number;
  /** How often it was taken in sequence. */
  readonly count: number;
  /** When it was taken first, in ms since 1970. */
  readonly first: number;
  /** The type of the event in the chart; `always` where the transition follows at once from the one before. */
  readonly event: string;
  /** The fields of the event that are safe to show: never a payload. */
  readonly facts: Readonly<Record<string, Fact>>;
  /** The condition that chose it; null where there was none. */
  readonly guard: string | null;
  /** The state that was left; null at the start. */
  readonly from: string | null;
  /** The state that was entered. */
  readonly to: string;
}

/** What a chart waits for, and how it came there. */
export interface Explained {
  /** The timeouts that run, and the events that are waited for. */
  readonly waits: readonly Wait[];
  /** The events that can end the state before a timeout does. */
  readonly endedBy: readonly string[];
  /** The last 20, oldest first. */
  readonly transitions: readonly ExplainedTransition[];
}

/** The session of an incarnation: which claims it grants, and what happened to the earlier ones. */
export interface ExplainedSession extends Explained {
  /** The state of its chart. */
  readonly chart: ExplainedState;
}

/** One open socket. */
export interface ExplainedConnection extends Explained {
  /** The id of the connection, as in events and log lines. */
  readonly connectionId: string;
  /** The address of the other end. */
  readonly peer: string;
  /** Whether it holds the session. */
  readonly session: boolean;
  /** One for each region of the chart: the heartbeat, and the reading. */
  readonly states: readonly ExplainedState[];
}

/** What an instance does or waits for, and which transitions led there. String(explanation) is text for people, without a token. */
export interface Explanation extends Explained {
  /** When the explanation was made, in ms since 1970. */
  readonly at: number;
  /** The id of the instance. */
  readonly instanceId: string;
  /** The name of what runs, as in the spec. */
  readonly artifactId: string;
  /** Which program of the instance it is: 1 for the first one. */
  readonly incarnation: number;
  /** The pid of the program; null before its start. */
  readonly pid: number | null;
  /** The address of the listener; null before it is open. */
  readonly address: string | null;
  /** The state that `instance.state` has. */
  readonly state: InstanceState;
  /** The state in the chart, which has more states than `state` can name. */
  readonly chart: ExplainedState;
  /** Executions in flight, those that wait for a session included. */
  readonly inFlight: number;
  /** The session of the last incarnation; null before the first one and after the instance has stopped. */
  readonly session: ExplainedSession | null;
  /** Every open socket. */
  readonly connections: readonly ExplainedConnection[];
  /**
   * Connections that ended before they were authenticated: their number, and the last 5. At a shared listener also those that
   * did not name an instance.
   */
  readonly refusals: Refusals;
  /** The report of the last incarnation that has ended; null while the first one runs. */
  readonly lastExit: ExitReport | null;
}

/** A duration in ms as text for people. */
function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min ${Math.floor((ms % 60_000) / 1_000)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** The name of an event for people, without the prefixes of XState. */
function causeText(event: string): string {
  if (event === 'xstate.init') return 'started';
  const [, kind, name] = /^xstate\.(after|done\.actor|error\.actor|done\.state)\.(.+)$/.exec(event) ?? [];
  if (kind === 'after') return `after ${name!.split('.')[0]}`;
  if (kind === undefined) return event;
  return `${name!.split('.').at(-1)} ${kind === 'error.actor' ? 'failed' : 'is done'}`;
}

/** @internal */
export function transitionLine({ at, count, first, event, facts, guard, from, to }: ExplainedTransition): string {
  const cause = [
    causeText(event),
    guard === null ? '' : `[${guard}]`,
    ...Object.entries(facts).flatMap(([name, fact]) => (fact === null ? [] : `${name}=${fact}`)),
  ];
  const repeated = count === 1 ? '' : ` (${count} times since ${iso(first)})`;
  return `${iso(at)}  ${from === null ? '' : `${from} → `}${to}: ${cause.filter(each => each !== '').join(' ')}${repeated}`;
}

/** @internal */
export function stateLines(states: readonly ExplainedState[], { waits, endedBy }: Explained, at: number): string[] {
  return [
    ...states.flatMap(({ state, since, meaning }) => [`${state} since ${iso(since)} (${durationText(at - since)})`, `  ${meaning}`]),
    ...waits.map(({ timeout, until, meaning }) =>
      until === null ? `  waits for ${meaning}` : `  until ${iso(until)} (in ${durationText(until - at)}, ${timeout}): ${meaning}`,
    ),
    ...(endedBy.length === 0 ? [] : [`  left by: ${endedBy.join(', ')}`]),
  ];
}

/** @internal */
export const indented = (lines: readonly string[]): string[] => lines.map(line => `  ${line}`);

/** @internal */
export function textOf(explanation: Explanation): string {
  const {
    at,
    instanceId,
    artifactId,
    incarnation,
    pid,
    address,
    state,
    chart,
    inFlight,
    session,
    connections,
    transitions,
    refusals,
    lastExit,
  } = explanation;
  const summary = [
    `incarnation ${incarnation}`,
    pid === null ? 'no pid' : `pid ${pid}${state === 'backoff' || state === 'stopped' ? ' (ended)' : ''}`,
    address ?? 'no listener',
    `${inFlight} in flight`,
  ];
  const lines = [`${instanceId} (${printable(artifactId, bounds.tracedText)}) is ${state} at ${iso(at)}`, `  ${summary.join(', ')}`];
  lines.push(...indented(stateLines([chart], explanation, at)));
  if (session !== null) {
    lines.push('session', ...indented(stateLines([session.chart], session, at)), ...indented(session.transitions.map(transitionLine)));
  }
  for (const connection of connections) {
    lines.push(`connection ${connection.connectionId} from ${connection.peer}${connection.session ? ', which holds the session' : ''}`);
    lines.push(...indented(stateLines(connection.states, connection, at)));
    lines.push(...indented(connection.transitions.map(transitionLine)));
  }
  lines.push(...refusalLines(refusals));
  if (lastExit !== null) {
    lines.push(
      `last exit: incarnation ${lastExit.incarnation}, ${lastExit.reason}: ${endingOf(lastExit)}, after ${durationText(lastExit.uptime)}`,
    );
    lines.push(...stderrLines(lastExit.stderr));
  }
  lines.push('transitions of the instance:', ...indented(transitions.map(transitionLine)));
  return lines.join('\n');
}
