// What the registry knows of one instance beside its chart: the spec, its peers, its output, its calls, and who waits for it.
// Effects find it by the instance's id; no socket, token or promise is ever in a chart's context.
import type { Observable, Subscriber } from 'rxjs';
import type { Connection } from '../connection/connection.ts';
import type { RefusalList } from '../connection/refusals.ts';
import type { SpearletError } from '../errors.ts';
import type { RequestTable } from '../execution/request-table.ts';
import type { Logger, ParsedSpec } from '../options.ts';
import type { Contained } from '../process/containment/containment.ts';
import type { Output, OutputChunk } from '../process/output/output.ts';
import type { ExitReport, Instance, InstanceState } from './instance.ts';
import type { Run } from './run.ts';

export interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: SpearletError): void;
}

export interface InstanceRecord {
  readonly id: string;
  readonly artifactId: string;
  /** Its name among the supervisor's children. */
  readonly actorId: string;
  /** Null for an external one: nothing is spawned. */
  readonly spec: ParsedSpec | null;
  readonly contained: Contained;
  readonly requests: RequestTable;
  /** Says whose line it is on every line. */
  readonly log: Logger;
  state: InstanceState;
  /** The same, told to callers in a turn of its own; the last one also to who comes after it. */
  readonly state$: Observable<InstanceState>;
  readonly ready: Deferred<Instance>;
  readonly exited: Deferred<ExitReport>;
  /** Every open socket of the instance, by connection id. */
  readonly connections: Map<string, Connection>;
  /** Of this incarnation. */
  token: string;
  output: Output;
  address: string | null;
  pid: number | null;
  incarnation: number;
  run: Run;
  wasReady: boolean;
  /** Sessions opened after the first of their incarnation, and attempts refused, over all incarnations. */
  reconnects: number;
  refused: number;
  /** Why its last session was lost. */
  loss: SpearletError | undefined;
  /** Connections that were ended before they had shown that they are its agent's. */
  readonly refusals: RefusalList;
  report: ExitReport | null;
  /** Why it ended, where that was a failure. */
  failure: SpearletError | null;
  /** What to do about it, as whoever found it says. */
  hint: string | undefined;
  /** Who reads its output as it comes, of this incarnation and the next. */
  readonly followers: Set<Subscriber<OutputChunk>>;
  /** What its effects hold open; called when its chart can no longer do that itself. */
  readonly held: Set<() => void>;
  stop(grace: number): void;
  /** It is stopped, and nothing of it is known any more. */
  forget(): void;
}

export function deferred<T>(): Deferred<T> {
  let settle: Pick<Deferred<T>, 'resolve' | 'reject'> | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  // Nobody has to listen: an unobserved failure is not an unhandled one.
  promise.catch(() => {});
  return { promise, ...settle! };
}
