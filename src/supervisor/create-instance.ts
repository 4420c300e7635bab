// Creates an instance: its record, its actor under the supervisor, its handle, and the states that callers see.
import { ReplaySubject } from 'rxjs';
import type { AnyActorRef } from 'xstate';
import type { StopRequest } from '../../machines/instance-types.ts';
import type { SupervisorEvent } from '../../machines/supervisor.ts';
import { newCredentials } from '../connection/credentials.ts';
import { createRefusals } from '../connection/refusals.ts';
import { SpearletError } from '../errors.ts';
import { createRequestTable } from '../execution/request-table.ts';
import { createHandle } from '../instance/handle.ts';
import { type ExitReport, type Instance, type InstanceState, stateOf } from '../instance/instance.ts';
import { instanceOptions } from '../instance/instance-options.ts';
import { newRun } from '../instance/program-run.ts';
import { reconnectWindowOf } from '../instance/reconnect-window.ts';
import { deferred, type InstanceRecord } from '../instance/record.ts';
import { endWithoutChart } from '../instance/report.ts';
import { bounds } from '../limits.ts';
import { logged } from '../observe/isolated.ts';
import type { Logger, ParsedOptions, ParsedSpec } from '../option-schemas.ts';
import type { Contained } from '../process/containment/containment.ts';
import { createOutput } from '../process/output/output.ts';
import type { Clock } from '../world/clock.ts';
import type { Deadlines } from '../world/deadlines.ts';
import { idFor, type Random } from '../world/random.ts';
import type { Registry } from './registry.ts';

/** The longest grace period of a program that has failed, in ms: from the first request to end until SIGKILL. */
const FAILURE_GRACE = 400;

export interface InstanceStarterDeps {
  readonly options: ParsedOptions;
  readonly clock: Clock;
  readonly random: Random;
  readonly registry: Registry;
  readonly deadlines: Deadlines;
  readonly logger: Logger;
  readonly supervisor: { send(event: SupervisorEvent): void; getSnapshot(): { readonly children: object; readonly status: string } };
  readonly handles: Map<string, Instance>;
  /** Keeps the last explanation of a stopped instance. */
  remember(record: InstanceRecord): void;
}

/**
 * Creates and starts an instance; `spec` is null for an external one. When it returns, the instance is starting, or its start has
 * failed and is settled. Throws INVALID_OPTIONS before anything is created.
 */
export type Begin = (
  expected: Pick<ParsedSpec, 'artifactId' | 'timeout' | 'transport' | 'origins'>,
  spec: ParsedSpec | null,
  contained: Contained,
) => InstanceRecord;

export function createInstanceStarter({
  options: engineOptions,
  clock,
  random,
  registry,
  deadlines,
  logger,
  supervisor,
  handles,
  remember,
}: InstanceStarterDeps): Begin {
  /** Never an id that is in use: the earlier instance could no longer be reached. */
  const newId = (artifactId: string): string => {
    const id = idFor(artifactId, random);
    let free = id;
    for (let n = 2; registry.records.has(free); n += 1) free = `${id}-${n}`;
    return free;
  };

  return ({ artifactId, timeout, transport, origins }, spec, contained) => {
    const options = instanceOptions(engineOptions, spec);
    const id = newId(artifactId);
    const actorId = registry.actorIds.acquire();
    const followers: InstanceRecord['followers'] = new Set();
    // A ReplaySubject, since a BehaviorSubject that has completed emits nothing to late subscribers.
    const shown$ = new ReplaySubject<InstanceState>(1);
    shown$.next('allocating');
    let actor: AnyActorRef | undefined;
    /** A stop that a logger or an inspector requests while the actor is being created. */
    let earlyStop: StopRequest | null = null;

    const show = (state: InstanceState): void => {
      if (state === record.state) return;
      record.state = state;
      const { incarnation } = record;
      record.log.debug({ state }, 'state');
      registry.notify(() => {
        shown$.next(state);
        registry.events$.next({ type: 'instance.state', instanceId: id, artifactId, state, incarnation });
      });
    };

    const record: InstanceRecord = {
      id,
      artifactId,
      actorId,
      spec,
      options,
      transport,
      origins,
      contained,
      requests: createRequestTable({
        instanceId: id,
        artifactId,
        timeout,
        maxConcurrency: spec?.maxConcurrency,
        options,
        deadlines,
        reconnectWindow: reconnectWindowOf(transport, options),
        activity: change => actor?.send({ type: change === 'begun' ? 'activity.started' : 'activity.idle' }),
        unresponsive(taskId) {
          registry.unresponsive(record, taskId);
          actor?.send({ type: 'agent.unresponsive' });
        },
        subscriberThrew: error => logged(record.log, 'updates$')(error),
      }),
      log: logger.child({ instanceId: id, artifactId }),
      state: 'allocating',
      state$: shown$,
      ready: deferred<Instance>(),
      exited: deferred<ExitReport>(),
      connections: new Map(),
      followers,
      credentials: newCredentials(id, ''),
      output: createOutput(bounds.keptOutput, followers),
      address: null,
      acceptInherited: null,
      pid: null,
      incarnation: 0,
      run: newRun(),
      wasReady: false,
      reconnects: 0,
      refused: 0,
      loss: undefined,
      refusals: createRefusals(registry.unrouted),
      report: null,
      failure: null,
      disposers: new Set(),
      stop(grace = options.grace, drain = false) {
        record.requests.close('the instance was stopped', undefined);
        const request: StopRequest = { type: 'stop', grace, drain: drain && record.requests.inFlight() > 0 };
        if (actor !== undefined) actor.send(request);
        else if (earlyStop === null || grace < earlyStop.grace) earlyStop = request;
      },
      restart(grace) {
        if (actor?.getSnapshot().status === 'active') actor.send({ type: 'restart', grace });
      },
      forget() {
        remember(record);
        registry.remove(record);
        handles.delete(id);
        show('stopped');
        registry.notify(() => shown$.complete());
      },
    };

    registry.add(record);
    handles.set(id, createHandle(record));
    registry.notify(() =>
      registry.events$.next({ type: 'instance.state', instanceId: id, artifactId, state: 'allocating', incarnation: 1 }),
    );
    supervisor.send({
      type: 'start',
      instance: {
        instanceId: id,
        actorId,
        external: spec === null,
        restart: spec?.restart ?? 'temporary',
        retryStart: spec?.retryStart ?? false,
        onUnresponsive: spec?.onUnresponsive ?? 'leave',
        intensity: options.restart.intensity,
        connectTimeout: options.connectTimeout,
        successCodes: spec?.successCodes ?? [],
        neverRestartOn: spec?.neverRestartOn ?? [],
        misses: options.heartbeat.misses,
        failureGrace: Math.min(options.grace, FAILURE_GRACE),
      },
    });
    actor = (supervisor.getSnapshot().children as Record<string, AnyActorRef>)[actorId];
    if (actor === undefined) {
      // The start has failed already, or the supervisor starts no more instances: no chart will settle the record.
      if (record.failure !== null) record.forget();
      else if (supervisor.getSnapshot().status === 'error')
        registry.abandoned(record, new Error('the supervisor has failed and starts no more instances'));
      else
        endWithoutChart(
          record,
          clock,
          'stopped',
          'the spearlet was stopped',
          new SpearletError('STOPPED', 'the spearlet is stopped and starts no more instances', { instanceId: id, artifactId }),
        );
    } else {
      show(stateOf(actor.getSnapshot().value));
      // The supervisor handles an error of the actor: it still needs the record.
      actor.subscribe({ next: snapshot => show(stateOf(snapshot.value)), complete: record.forget, error() {} });
      if (earlyStop !== null) actor.send(earlyStop);
    }
    if (contained.lacking !== null)
      record.log.warn(
        { ...contained.containment, because: contained.lacking },
        'a namespace is not available here: the program is started without one',
      );
    return record;
  };
}
