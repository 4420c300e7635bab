// The records of all instances, and what callers are told when a chart changes: promises, events and log lines. It starts
// nothing and decides nothing: the charts do.
import { Subject } from 'rxjs';
import type { Connection } from '../connection/connection.ts';
import { createRefusals } from '../connection/refusals.ts';
import { reasonOf, SpearletError } from '../errors.ts';
import type { InstanceHost } from '../instance/host.ts';
import type { Instance } from '../instance/instance.ts';
import type { InstanceRecord } from '../instance/record.ts';
import { causeOf, codeOf, endingOf, endWithoutChart, idsOf, reportOf, startFailure } from '../instance/report.ts';
import { bounds } from '../limits.ts';
import type { Logger } from '../options.ts';
import { printable } from '../printable.ts';
import type { Clock } from '../world/clock.ts';
import { type ActorIds, createActorIds } from './actor-ids.ts';
import { type ConnectionEvents, createConnectionEvents } from './connection-events.ts';
import type { SpearletEvent } from './events.ts';

export interface Registry extends ConnectionEvents, InstanceHost {
  readonly events$: Subject<SpearletEvent>;
  /**
   * Runs `event` in a turn of its own, in order. What callers do in a callback must not run in the middle of a chart's
   * step.
   */
  notify(event: () => void): void;
  /** By instance id: every instance that is not yet stopped. */
  readonly records: ReadonlyMap<string, InstanceRecord>;
  add(record: InstanceRecord): void;
  remove(record: InstanceRecord): void;
  /** Actor ids of instances among the supervisor's children. */
  readonly actorIds: ActorIds;
  byActorId(actorId: string): InstanceRecord | undefined;
  /** Connections of the shared listener whose instance is not known yet, by actor id. */
  readonly unroutedConnections: Map<string, Connection>;
  /** Registers a connection under a free actor id and a new connection id. */
  register(connection: Omit<Connection, 'id' | 'label'>): Connection;
  /** A connection of the shared listener is authenticated: its instance takes it over. */
  handOver(connection: Connection): void;
  /** The agent was told to cancel an execution and did not answer within `grace`. */
  unresponsive(record: InstanceRecord, taskId: string): void;
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
    ...createConnectionEvents({ clock, logger, records, unrouted, emit }),
    events$,
    notify(event) {
      if (queued.push(event) > 1) return;
      queueMicrotask(() => {
        const told = queued;
        queued = [];
        for (const each of told) each();
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

    register(fields) {
      connections += 1;
      const { instanceId } = fields;
      const mine = instanceId === null ? registry.unroutedConnections : registry.record(instanceId).connections;
      let free = 1;
      while (mine.has(`connection-${free}`)) free += 1;
      const connection: Connection = { ...fields, id: `connection-${free}`, label: `${instanceId ?? 'shared'}/${connections}` };
      mine.set(connection.id, connection);
      return connection;
    },

    handOver(connection) {
      const instanceId = connection.auth?.instanceId ?? '';
      if (!records.has(instanceId)) return;
      const routed = registry.register({ ...connection, instanceId });
      connection.handedOver = true;
      // In a turn of its own: the two connection actors have different parents.
      queueMicrotask(() => {
        const route = registry.routes.get(instanceId);
        if (route === undefined) routed.channel.close();
        else route(routed);
      });
    },

    spawned(record) {
      const facts = { ...idsOf(record), pid: record.pid!, incarnation: record.incarnation };
      // `pid` on a line of pino is the host's own.
      record.log.info({ programPid: facts.pid, incarnation: facts.incarnation }, 'program started');
      emit({ type: 'instance.spawned', ...facts });
    },

    unresponsive(record, taskId) {
      record.log.warn(
        { taskId: printable(taskId, bounds.quoted), onUnresponsive: record.spec?.onUnresponsive },
        'the agent was told to cancel this, and does not answer',
      );
      emit({ type: 'instance.unresponsive', ...idsOf(record), taskId });
    },

    sessionOpened(record, { channel, label: connectionId }) {
      record.requests.attach(channel);
      record.log.info({ connectionId, peer: channel.peer }, 'agent connected');
      emit({ type: 'connection.opened', instanceId: record.id, connectionId, peer: channel.peer });
      if (record.run.hadSession) record.reconnects += 1;
      record.run.hadSession = true;
      if (record.wasReady) return;
      record.wasReady = true;
      record.ready.resolve(handle(record));
    },

    incarnationEnded(record, context) {
      const report = reportOf(record, context, clock);
      record.report = report;
      const orderly = report.reason === 'stopped' || report.reason === 'completed';
      const level = orderly && report.left.length === 0 ? 'info' : 'warn';
      const { instanceId: _id, artifactId: _artifact, stderr: _stderr, pid: programPid, ...told } = report;
      record.log[level]({ programPid, ...told }, 'program ended');
      record.requests.incarnationEnded(endingOf(report), causeOf(record, context));
      emit({ type: 'instance.exited', ...idsOf(record), report });
    },

    instanceEnded(record, context) {
      const report = record.report ?? reportOf(record, context, clock);
      const cause = context.cause ?? { reason: 'internal', code: 'INTERNAL', message: 'ended for no known cause', final: true };
      const last = cause.reason === 'restart' ? { ...report, reason: cause.reason, message: cause.message } : report;
      record.report = last;
      if (cause.reason === 'restart') {
        const told = { code: 'RESTART_LIMIT', message: cause.message } as const;
        record.log.error({ code: told.code, reason: told.message }, 'instance given up: it failed too often');
        emit({ type: 'instance.givenUp', ...idsOf(record), ...told, report: last });
      }
      const error = new SpearletError(codeOf(cause), cause.message, {
        ...idsOf(record),
        exitCode: last.code,
        signal: last.signal,
        stderr: last.stderr,
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
        'failed inside spearlet: this is a defect, please report it',
      );
      if (record === undefined) return;
      // XState runs no cleanup for a chart that has failed: what its effects hold open is disposed here.
      for (const dispose of [...record.held]) dispose();
      const error = new SpearletError('INTERNAL', `the instance failed inside spearlet: ${reasonOf(thrown)}`, {
        ...idsOf(record),
        cause: thrown,
      });
      endWithoutChart(record, clock, 'internal', 'it failed inside spearlet', error);
    },
  };
  return registry;
}
