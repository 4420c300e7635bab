// What happens around the charts: records of instances, what callers learn when a session opens or a program ends, and
// the events and log lines for it. It starts nothing and decides nothing: the charts do.
import { Subject } from 'rxjs';
import type { InstanceContext } from '../../machines/instance.ts';
import type { Peer } from '../connection/connection.ts';
import { createRefusals, type RefusalList } from '../connection/refusals.ts';
import { reasonOf, SpearletError } from '../errors.ts';
import type { ExitReport, Instance, InstanceState } from '../instance/handle.ts';
import type { InstanceRecord } from '../instance/record.ts';
import { causeOf, codeOf, endingOf, endWithoutChart, idsOf, reportOf, startFailure } from '../instance/report.ts';
import type { LeftoversEnded } from '../journal/stale-state.ts';
import { bounds, type Logger } from '../options.ts';
import { printable } from '../printable.ts';
import type { Clock } from '../world/clock.ts';
import { createPlaces, type Places } from './actor-ids.ts';
import { createToldOfConnections, type ToldOfConnections } from './connection-events.ts';

export type SpearletEvent =
  | {
      readonly type: 'instance.state';
      readonly instanceId: string;
      readonly artifactId: string;
      readonly state: InstanceState;
      readonly incarnation: number;
    }
  | {
      readonly type: 'instance.spawned';
      readonly instanceId: string;
      readonly artifactId: string;
      readonly pid: number;
      readonly incarnation: number;
    }
  | { readonly type: 'instance.unresponsive'; readonly instanceId: string; readonly artifactId: string; readonly taskId: string }
  | { readonly type: 'instance.exited'; readonly instanceId: string; readonly artifactId: string; readonly report: ExitReport }
  | {
      /** It failed more often than the restart intensity allows: nothing restarts. `report` is that of its last incarnation. */
      readonly type: 'instance.givenUp';
      readonly instanceId: string;
      readonly artifactId: string;
      readonly code: 'RESTART_LIMIT';
      readonly message: string;
      readonly report: ExitReport;
    }
  | { readonly type: 'connection.opened'; readonly instanceId: string; readonly connectionId: string; readonly peer: string }
  | {
      readonly type: 'connection.closed';
      readonly instanceId: string | null;
      readonly connectionId: string;
      readonly code: string;
      readonly message: string;
    }
  | LeftoversEnded;

export interface Engine extends ToldOfConnections {
  readonly events$: Subject<SpearletEvent>;
  /**
   * Tells callers something, in a turn of its own and in order: what they do then must not run in the middle of a
   * chart's step.
   */
  tell(event: () => void): void;
  readonly records: Map<string, InstanceRecord>;
  /** Listeners and programs that the system is still letting go of. */
  readonly closing: Set<Promise<void>>;
  record(instanceId: string): InstanceRecord;
  /** The names of instances among the supervisor's children. */
  readonly places: Places;
  at(place: string): InstanceRecord | undefined;
  /** Peers of the shared listener that are not led to their instance yet. */
  readonly lobby: Map<string, Peer>;
  /** Connections of the shared listener that were refused, where nobody knows which instance they wanted. */
  readonly unrouted: RefusalList;
  /** Who takes in the peers that the shared listener leads to an instance. */
  readonly leads: Map<string, (peer: Peer) => void>;
  /** Keeps a peer under an id of its own. */
  admit(peer: Omit<Peer, 'id' | 'label'>): Peer;
  /** A peer of the shared listener has shown whose it is. */
  handOver(peer: Peer): void;
  spawned(record: InstanceRecord): void;
  /** Its agent was told to cancel an execution, and has not answered. */
  unresponsive(record: InstanceRecord, taskId: string): void;
  sessionOpened(record: InstanceRecord, peer: Peer): void;
  incarnationEnded(record: InstanceRecord, context: InstanceContext): void;
  instanceEnded(record: InstanceRecord, context: InstanceContext): void;
  abandoned(record: InstanceRecord | undefined, error: unknown): void;
}

export function createEngine(clock: Clock, logger: Logger, handle: (record: InstanceRecord) => Instance): Engine {
  const events$ = new Subject<SpearletEvent>();
  const records = new Map<string, InstanceRecord>();
  const unrouted = createRefusals();
  let connections = 0;

  let untold: (() => void)[] = [];
  const emit = (event: SpearletEvent): void => engine.tell(() => events$.next(event));

  const engine: Engine = {
    ...createToldOfConnections({ clock, logger, records, unrouted, emit }),
    events$,
    tell(event) {
      if (untold.push(event) > 1) return;
      queueMicrotask(() => {
        const told = untold;
        untold = [];
        for (const each of told) each();
      });
    },
    records,
    places: createPlaces(),
    closing: new Set(),
    lobby: new Map(),
    unrouted,
    leads: new Map(),

    at(place) {
      for (const record of records.values()) if (record.place === place) return record;
      return undefined;
    },

    record(instanceId) {
      const record = records.get(instanceId);
      if (record === undefined) throw new SpearletError('INTERNAL', `no instance '${instanceId}'`);
      return record;
    },

    admit(fields) {
      connections += 1;
      const { instanceId } = fields;
      const mine = instanceId === null ? engine.lobby : engine.record(instanceId).peers;
      let free = 1;
      while (mine.has(`connection-${free}`)) free += 1;
      const peer: Peer = { ...fields, id: `connection-${free}`, label: `${instanceId ?? 'shared'}/${connections}` };
      mine.set(peer.id, peer);
      return peer;
    },

    handOver(peer) {
      const instanceId = peer.auth?.instanceId ?? '';
      if (!records.has(instanceId)) return;
      const led = engine.admit({ ...peer, instanceId, stage: 'asking' });
      peer.stage = 'led';
      // In a turn of its own: the two connections belong to different parents.
      queueMicrotask(() => {
        const lead = engine.leads.get(instanceId);
        if (lead === undefined) led.link.close();
        else lead(led);
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

    sessionOpened(record, peer) {
      record.calls.attach(peer.link);
      record.log.info({ connectionId: peer.label, peer: peer.link.peer }, 'agent connected');
      emit({ type: 'connection.opened', instanceId: record.id, connectionId: peer.label, peer: peer.link.peer });
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
      record.calls.incarnationEnded(endingOf(report), causeOf(record, context));
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
      record.calls.close(endingOf(last), error);
      record.calls.end();
      record.failure = startFailure(record, cause);
      record.ready.reject(record.failure);
      record.exited.resolve(last);
      engine.tell(() => {
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
      // Its chart is broken, and XState runs no cleanup for that. What it held is let go of here.
      for (const dispose of [...record.held]) dispose();
      const error = new SpearletError('INTERNAL', `the instance failed inside spearlet: ${reasonOf(thrown)}`, {
        ...idsOf(record),
        cause: thrown,
      });
      endWithoutChart(record, clock, 'internal', 'it failed inside spearlet', error);
    },
  };
  return engine;
}
