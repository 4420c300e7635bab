// The data of one instance outside its chart: spec, connections, output, requests, and the promises of its callers. Effects find it
// once, by instance id. A chart's context never contains a socket, a token or a promise.
import type { Observable, Subscriber } from 'rxjs';
import type { Connection } from '../connection/connection.ts';
import type { Credentials } from '../connection/credentials.ts';
import type { RefusalList } from '../connection/refusals.ts';
import type { SpearletError } from '../errors.ts';
import type { RequestTable } from '../execution/requests.ts';
import type { Logger, ParsedOptions, ParsedSpec, Transport } from '../option-schemas.ts';
import type { Contained } from '../process/containment/containment.ts';
import type { Output, OutputChunk } from '../process/output/output.ts';
import type { ByteStream } from '../transport/stream.ts';
import type { ExitReport, Instance, InstanceState } from './instance.ts';
import type { ProgramRun } from './program-run.ts';

export interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: SpearletError): void;
}

export interface InstanceRecord {
  readonly id: string;
  readonly artifactId: string;
  /** Its actor id among the supervisor's children. */
  readonly actorId: string;
  /** Null for an external instance: nothing is spawned. */
  readonly spec: ParsedSpec | null;
  /** The options of its spec; where the spec has none, those of createSpearlet(). */
  readonly options: ParsedOptions;
  readonly transport: Transport;
  /** The origins of web pages that may connect as its agent. */
  readonly origins: readonly string[];
  readonly contained: Contained;
  readonly requests: RequestTable;
  /** Adds `instanceId` and `artifactId` to every line. */
  readonly log: Logger;
  state: InstanceState;
  /** The state for callers: every change in a turn of its own. A late subscriber gets the last state. */
  readonly state$: Observable<InstanceState>;
  readonly ready: Deferred<Instance>;
  readonly exited: Deferred<ExitReport>;
  /** Every open connection of the instance, by its actor id. */
  readonly connections: Map<string, Connection>;
  /** This field and the next six belong to the present incarnation. */
  credentials: Credentials;
  output: Output;
  address: string | null;
  /** Takes the socket that the program of this incarnation inherits. Null: it inherits none. */
  acceptInherited: ((stream: ByteStream) => void) | null;
  pid: number | null;
  incarnation: number;
  run: ProgramRun;
  wasReady: boolean;
  /** Sessions after the first of their incarnation, over all incarnations. */
  reconnects: number;
  /** Connections that ended with AUTH_REFUSED, over all incarnations. `refusals` has those with other codes, too. */
  refused: number;
  /** Why its last session was lost. */
  loss: SpearletError | undefined;
  /** Connections that were ended before they were authenticated. */
  readonly refusals: RefusalList;
  report: ExitReport | null;
  /** Why the start failed. */
  failure: SpearletError | null;
  /** Present subscribers of `output$`. They stay when the next incarnation starts. */
  readonly followers: Set<Subscriber<OutputChunk>>;
  /** Disposes the resources of its effects where the chart fails and runs no cleanup. */
  readonly disposers: Set<() => void>;
  /** Without `grace`, that of its options counts. */
  stop(grace?: number, drain?: boolean): void;
  restart(grace: number): void;
  /** Removes the instance after it has stopped. */
  forget(): void;
}

export function deferred<T>(): Deferred<T> {
  let settle: Pick<Deferred<T>, 'resolve' | 'reject'> | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  // A rejection that no caller observes must not become an unhandledRejection.
  promise.catch(() => {});
  return { promise, ...settle! };
}
