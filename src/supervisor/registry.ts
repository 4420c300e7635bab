// Keeps the records of all instances, registers connections and hands them to their instances, and reports changes to callers: it
// settles promises, emits events and writes log lines. It starts no instance and makes no decision: the charts do.
import { Subject } from 'rxjs';
import type { HostChannel } from '../connection/channel.ts';
import type { Connection } from '../connection/connection.ts';
import { createRefusals } from '../connection/refusals.ts';
import { reasonOf, SpearletError } from '../errors.ts';
import { isOrderly } from '../instance/exit-reason.ts';
import type { Instance } from '../instance/instance.ts';
import type { InstanceSupervisor } from '../instance/instance-supervisor.ts';
import type { InstanceRecord } from '../instance/record.ts';
import {
  causeOf,
  codeOf,
  endingOf,
  endWithoutChart,
  idsOf,
  reportOf,
  startFailure,
  thrownFacts,
  unknownCause,
} from '../instance/report.ts';
import { bounds } from '../limits.ts';
import type { Logger } from '../option-schemas.ts';
import { printable } from '../printable.ts';
import type { Clock } from '../world/clock.ts';
import { type ActorIds, createActorIds } from './actor-ids.ts';
import { type ConnectionEvents, createConnectionEvents } from './connection-events.ts';
import type { SpearletEvent } from './events.ts';

export interface Registry extends InstanceSupervisor {
  readonly connectionEvents: ConnectionEvents;
  readonly events$: Subject<SpearletEvent>;
  /**
   * Calls `emit` in a later turn, in order. Callbacks of callers must not run during the transition of a chart.
   */
  notify(emit: () => void): void;
  /** Every instance that is not yet stopped, by instance id. */
  readonly records: ReadonlyMap<string, InstanceRecord>;
  add(record: InstanceRecord): void;
  remove(record: InstanceRecord): void;
  /** Actor ids of instances among the supervisor's children. */
  readonly actorIds: ActorIds;
  byActorId(actorId: string): InstanceRecord | undefined;
  /** Connections at the shared listener whose instance is not known yet, by actor id. */
  readonly unroutedConnections: Map<string, Connection>;
  /** Registers a connection under a free actor id and a new connection id. */
  register(instanceId: string | null, channel: HostChannel): Connection;
  /** Moves an authenticated connection from the shared listener to its instance. */
  handOver(connection: Connection): void;
  /** Reports that an agent did not end an execution within `grace` of a cancel. */
  unresponsive(record: InstanceRecord, taskId: string): void;
  /** Reports an error inside spearlet, and ends the instance whose chart has failed. */
  abandoned(record: InstanceRecord | undefined, error: unknown): void;
}

export function createRegistry(clock: Clock, logger: Logger, handle: (record: InstanceRecord) => Instance): Registry {
  const events$ = new Subject<SpearletEvent>();
  const records = new Map<string, InstanceRecord>();
  const byActorId = new Map<string, InstanceRecord>();
  const unrouted = createRefusals();
  let connections = 0;

  let queued: (() => void)[] = [];
  const emit = (event: SpearletEvent): void => registry.notify(() => events$.next(event));

  const registry: Registry = {
    connectionEvents: createConnectionEvents({ clock, logger, records, unrouted, emit }),
    events$,
    notify(emit) {
      if (queued.push(emit) > 1) return;
      queueMicrotask(() => {
        const due = queued;
        queued = [];
        for (const each of due) each();
      });
    },
    records,
    actorIds: createActorIds(),
    closing: new Set(),
    unroutedConnections: new Map(),
    unrouted,
    routes: new Map(),

    byActorId: actorId => byActorId.get(actorId),
    add(record) {
      records.set(record.id, record);
      byActorId.set(record.actorId, record);
    },
    remove(record) {
      records.delete(record.id);
      if (byActorId.get(record.actorId) === record) byActorId.delete(record.actorId);
    },

    record(instanceId) {
      const record = records.get(instanceId);
      if (record === undefined) throw new SpearletError('INTERNAL', `no instance '${instanceId}'`);
      return record;
    },

    register(instanceId, channel) {
      connections += 1;
      const siblings = instanceId === null ? registry.unroutedConnections : registry.record(instanceId).connections;
      let free = 1;
      while (siblings.has(`connection-${free}`)) free += 1;
      const connection: Connection = {
        actorId: `connection-${free}`,
        connectionId: `${instanceId ?? 'shared'}/${connections}`,
        instanceId,
        channel,
        handedOver: false,
        reported: false,
        auth: null,
        handshake: null,
        proof: null,
        authId: 0,
        sessionSince: null,
        roundTrip: null,
      };
      siblings.set(connection.actorId, connection);
      return connection;
    },

    handOver(connection) {
      const instanceId = connection.auth?.instanceId ?? '';
      if (!records.has(instanceId)) return;
      const routed = registry.register(instanceId, connection.channel);
      const { auth, handshake, proof, authId } = connection;
      Object.assign(routed, { auth, handshake, proof, authId });
      connection.handedOver = true;
      // In a later turn: the old and the new actor of the connection have different parents.
      queueMicrotask(() => {
        const route = registry.routes.get(instanceId);
        if (route === undefined) routed.channel.close();
        else route(routed);
      });
    },

    spawned(record) {
      const { pid, incarnation } = record;
      // In a line of pino, `pid` is the pid of the host.
      record.log.info({ programPid: pid, incarnation }, 'program started');
      emit({ type: 'instance.spawned', ...idsOf(record), pid: pid!, incarnation });
    },

    unresponsive(record, taskId) {
      record.log.warn(
        { taskId: printable(taskId, bounds.quoted), onUnresponsive: record.spec?.onUnresponsive },
        'the agent was told to cancel an execution and did not end it within grace',
      );
      emit({ type: 'instance.unresponsive', ...idsOf(record), taskId });
    },

    openSession(record, { channel, connectionId, auth }) {
      record.requests.attach(channel, auth?.offer?.features ?? auth?.features ?? []);
      record.log.info({ connectionId, peer: channel.peer }, 'agent connected');
      emit({ type: 'connection.opened', instanceId: record.id, connectionId, peer: channel.peer });
      if (record.run.hadSession) record.reconnects += 1;
      record.run.hadSession = true;
      if (record.wasReady) return;
      record.wasReady = true;
      record.ready.resolve(handle(record));
    },

    endIncarnation(record, context) {
      const report = reportOf(record, context, clock);
      record.report = report;
      const level = isOrderly(report.reason) && report.left.length === 0 ? 'info' : 'warn';
      const { instanceId: _id, artifactId: _artifact, stderr: _stderr, pid: programPid, ...fields } = report;
      record.log[level]({ programPid, ...fields }, 'program ended');
      record.requests.epochEnded(endingOf(report), causeOf(record, context));
      emit({ type: 'instance.exited', ...idsOf(record), report });
    },

    endInstance(record, context) {
      const report = record.report ?? reportOf(record, context, clock);
      const cause = context.cause ?? unknownCause;
      const last = cause.reason === 'restart' ? { ...report, reason: cause.reason, message: cause.message } : report;
      record.report = last;
      if (cause.reason === 'restart') {
        const code = 'RESTART_LIMIT';
        record.log.error({ code, reason: cause.message }, 'instance given up: it failed too often');
        emit({ type: 'instance.givenUp', ...idsOf(record), code, message: cause.message, report: last });
      }
      const error = new SpearletError(codeOf(cause), cause.message, {
        ...idsOf(record),
        exitCode: last.code,
        signal: last.signal,
        stderr: last.stderr,
        ...thrownFacts(record.run),
      });
      record.requests.close(endingOf(last), error);
      record.requests.end();
      record.failure = startFailure(record, cause);
      record.ready.reject(record.failure);
      record.exited.resolve(last);
      registry.notify(() => {
        for (const follower of [...record.followers]) follower.complete();
        record.followers.clear();
      });
    },

    abandoned(record, thrown) {
      logger.error(
        { instanceId: record?.id, error: printable(reasonOf(thrown), bounds.quoted) },
        'error inside spearlet: this is a defect, please report it',
      );
      if (record === undefined) return;
      // XState runs no cleanup for a chart that has failed, so the resources of its effects are disposed here.
      for (const dispose of [...record.disposers]) dispose();
      const error = new SpearletError('INTERNAL', `the instance failed inside spearlet: ${reasonOf(thrown)}`, {
        ...idsOf(record),
        cause: thrown,
      });
      endWithoutChart(record, clock, 'internal', 'the instance failed inside spearlet', error);
    },
  };
  return registry;
}
