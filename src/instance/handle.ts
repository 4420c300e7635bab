// The handle by which a caller uses one instance.
import { distinctUntilChanged, Observable } from 'rxjs';
import { call } from '../execution/call.ts';
import type { Execution } from '../execution/execution.ts';
import { isolated, logged } from '../observe/isolated.ts';
import { type ExecuteOptions, type ExecuteRequestInput, instanceStopOptionsSchema, restartOptionsSchema } from '../option-schemas.ts';
import type { CallOptions } from '../options/execution.ts';
import type { InstanceStopOptions, RestartOptions } from '../options/instance.ts';
import { parse } from '../parse.ts';
import type { Containment } from '../process/containment/containment.ts';
import type { OutputChunk } from '../process/output/output.ts';
import type { ExitReport, Instance, InstanceState } from './instance.ts';
import type { InstanceRecord } from './record.ts';
import { restart } from './restart.ts';

const outputOf = (record: InstanceRecord): Observable<OutputChunk> =>
  new Observable(subscriber => {
    for (const chunk of record.output.kept()) subscriber.next(chunk);
    if (record.state === 'stopped') return subscriber.complete();
    record.followers.add(subscriber);
    return () => record.followers.delete(subscriber);
  });

/**
 * A class, because V8 gives each object literal with a getter a hash table of its own. `execute`, `call`, `send`, `stop` and `restart`
 * can be taken out of it.
 */
class InstanceHandle implements Instance {
  readonly #record: InstanceRecord;
  readonly id: string;
  readonly artifactId: string;
  /** Made when they are first read: most instances have no subscriber. */
  #state$: Observable<InstanceState> | null = null;
  #output$: Observable<OutputChunk> | null = null;
  readonly exited: Promise<ExitReport>;

  constructor(record: InstanceRecord) {
    this.#record = record;
    this.id = record.id;
    this.artifactId = record.artifactId;
    this.exited = record.exited.promise;
  }

  get pid(): number | null {
    return this.#record.pid;
  }

  get address(): string | null {
    return this.#record.address;
  }

  get incarnation(): number {
    return this.#record.incarnation;
  }

  get containment(): Containment {
    return this.#record.contained.containment;
  }

  get state(): InstanceState {
    return this.#record.state;
  }

  get state$(): Observable<InstanceState> {
    const { state$, log } = this.#record;
    this.#state$ ??= isolated(state$.pipe(distinctUntilChanged()), logged(log, 'state$'));
    return this.#state$;
  }

  get output$(): Observable<OutputChunk> {
    this.#output$ ??= isolated(outputOf(this.#record), logged(this.#record.log, 'output$'));
    return this.#output$;
  }

  // The outputs are texts or Buffers, as `encoding` says: the overloads of Instance have a type for each.
  readonly execute = (request: ExecuteRequestInput, options?: ExecuteOptions) =>
    this.#record.requests.execute(request, options) as Execution<unknown> as Execution<never>;

  readonly call = <Result = unknown>(name: string, argument?: unknown, options: CallOptions<Result> = {}): Promise<Result> =>
    call(this.execute, name, argument, options);

  readonly send = (data: string): void => this.#record.requests.signal(data);

  readonly stop = async (options: InstanceStopOptions = {}): Promise<ExitReport> => {
    const { grace, drain } = parse(instanceStopOptionsSchema, options, 'stop()');
    const record = this.#record;
    if (record.state !== 'stopped') record.stop(grace, drain);
    return record.exited.promise;
  };

  readonly restart = async (options: RestartOptions = {}): Promise<void> => {
    const record = this.#record;
    const { grace = record.options.grace } = parse(restartOptionsSchema, options, 'restart()');
    await restart(record, grace);
  };

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

export const createHandle = (record: InstanceRecord): Instance => new InstanceHandle(record);
