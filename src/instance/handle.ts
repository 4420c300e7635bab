// The handle by which a caller uses one instance.
import { distinctUntilChanged, Observable } from 'rxjs';
import { call } from '../execution/call.ts';
import type { Execution } from '../execution/execution.ts';
import { isolated, logged } from '../observe/isolated.ts';
import { type ExecuteOptions, type ExecuteRequestInput, instanceStopOptionsSchema, restartOptionsSchema } from '../options.ts';
import { parse } from '../parse.ts';
import type { OutputChunk } from '../process/output/output.ts';
import type { Instance } from './instance.ts';
import type { InstanceRecord } from './record.ts';
import { restart } from './restart.ts';

const outputOf = (record: InstanceRecord): Observable<OutputChunk> =>
  new Observable(subscriber => {
    for (const chunk of record.output.kept()) subscriber.next(chunk);
    if (record.state === 'stopped') return subscriber.complete();
    record.followers.add(subscriber);
    return () => record.followers.delete(subscriber);
  });

export function createInstance(record: InstanceRecord): Instance {
  const instance: Instance = {
    id: record.id,
    artifactId: record.artifactId,
    get pid() {
      return record.pid;
    },
    get address() {
      return record.address;
    },
    get incarnation() {
      return record.incarnation;
    },
    get containment() {
      return record.contained.containment;
    },
    get state() {
      return record.state;
    },
    state$: isolated(record.state$.pipe(distinctUntilChanged()), logged(record.log, 'state$')),
    output$: isolated(outputOf(record), logged(record.log, 'output$')),
    // The class gives texts or bytes as `encoding` says; the overloads of Instance tell them apart.
    execute: (request: ExecuteRequestInput, options?: ExecuteOptions) =>
      record.requests.execute(request, options) as Execution<unknown> as Execution<never>,
    call: (name, argument, options = {}) => call((...given) => instance.execute(...given), name, argument, options),
    send: data => record.requests.signal(data),
    async stop(options = {}) {
      const { grace, drain } = parse(instanceStopOptionsSchema, options, 'stop()');
      if (record.state !== 'stopped') record.stop(grace, drain);
      return record.exited.promise;
    },
    async restart(options = {}) {
      const { grace = record.options.grace } = parse(restartOptionsSchema, options, 'restart()');
      await restart(record, grace);
    },
    async [Symbol.asyncDispose]() {
      await instance.stop();
    },
    exited: record.exited.promise,
  };
  return instance;
}
