// What happens around the charts: records of instances, what callers learn when a session opens or a program ends, and
// the events and log lines for it. It starts nothing and decides nothing: the charts do.
import { Subject } from 'rxjs';
import type { Cause, InstanceContext } from '../../machines/instance.ts';
import type { Peer } from '../actors/peer.ts';
import { type ErrorCode, errorCodes, reasonOf, SpearletError } from '../errors.ts';
import { bounds, type Logger } from '../options.ts';
import type { SpearMessage } from '../protocol/message.ts';
import type { Clock } from '../world.ts';
import type { ExitReport, Instance, InstanceState } from './instance.ts';
import { createPlaces, type Places } from './places.ts';
import type { InstanceRecord } from './record.ts';

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
  | { readonly type: 'instance.exited'; readonly instanceId: string; readonly artifactId: string; readonly report: ExitReport }
  | { readonly type: 'connection.opened'; readonly instanceId: string; readonly connectionId: string; readonly peer: string }
  | {
      readonly type: 'connection.closed';
      readonly instanceId: string | null;
      readonly connectionId: string;
      readonly code: string;
      readonly message: string;
    };

export interface Engine {
  readonly events$: Subject<SpearletEvent>;
  readonly records: Map<string, InstanceRecord>;
  /** Listeners and programs that the system is still letting go of. */
  readonly closing: Set<Promise<void>>;
  record(instanceId: string): InstanceRecord;
  /** The names of instances among the supervisor's children. */
  readonly places: Places;
  at(place: string): InstanceRecord | undefined;
  /** Peers of the shared listener that are not led to their instance yet. */
  readonly lobby: Map<string, Peer>;
  /** Who takes in the peers that the shared listener leads to an instance. */
  readonly leads: Map<string, (peer: Peer) => void>;
  /** Keeps a peer under an id of its own. */
  admit(peer: Omit<Peer, 'id' | 'label'>): Peer;
  /** A peer of the shared listener has shown whose it is. */
  handOver(peer: Peer): void;
  spawned(record: InstanceRecord): void;
  sessionOpened(record: InstanceRecord, peer: Peer): void;
  connectionClosed(peer: Peer, code: string, message: string): void;
  incarnationEnded(record: InstanceRecord, context: InstanceContext): void;
  instanceEnded(record: InstanceRecord, context: InstanceContext): void;
  abandoned(record: InstanceRecord | undefined, error: unknown): void;
  oddMessage(peer: Peer, message: SpearMessage): void;
  /** How a start that came to nothing is told. */
  startFailure(record: InstanceRecord, cause: Cause): SpearletError;
}

export function createEngine(clock: Clock, logger: Logger, handle: (record: InstanceRecord) => Instance): Engine {
  const events$ = new Subject<SpearletEvent>();
  const records = new Map<string, InstanceRecord>();
  let connections = 0;

  const idsOf = ({ id, artifactId }: InstanceRecord) => ({ instanceId: id, artifactId });

  const reportOf = (record: InstanceRecord, { exit, cause, incarnation }: InstanceContext): ExitReport => ({
    ...idsOf(record),
    incarnation,
    pid: record.pid,
    code: exit?.exitCode ?? null,
    signal: exit?.signal ?? null,
    reason: cause?.reason ?? 'internal',
    message: cause?.message ?? 'ended for no known cause',
    uptime: record.spawnedAt === null ? 0 : Math.round(clock.now() - record.spawnedAt),
    stderr: record.output.stderrTail(bounds.reportedLines),
    outputBytes: record.output.totalBytes,
    droppedBytes: record.output.droppedBytes,
  });

  const endingOf = ({ code, signal, message }: ExitReport): string =>
    code === null && signal === null ? message : `${message} (${signal === null ? `exit code ${code}` : `signal ${signal}`})`;

  const engine: Engine = {
    events$,
    records,
    places: createPlaces(),
    closing: new Set(),
    lobby: new Map(),
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
      peer.stage = 'led';
      const led = engine.admit({ ...peer, instanceId, stage: 'asking' });
      // In a turn of its own: the two connections belong to different parents.
      queueMicrotask(() => {
        const lead = engine.leads.get(instanceId);
        if (lead === undefined) led.link.close();
        else lead(led);
      });
    },

    spawned(record) {
      const facts = { ...idsOf(record), pid: record.pid!, incarnation: record.incarnation };
      logger.info(facts, 'program started');
      events$.next({ type: 'instance.spawned', ...facts });
    },

    sessionOpened(record, peer) {
      record.calls.attach(peer.link);
      logger.info({ ...idsOf(record), connectionId: peer.label, peer: peer.link.peer }, 'agent connected');
      events$.next({ type: 'connection.opened', instanceId: record.id, connectionId: peer.label, peer: peer.link.peer });
      record.sessions += 1;
      if (record.wasReady) return;
      record.wasReady = true;
      record.ready.resolve(handle(record));
    },

    connectionClosed(peer, code, message) {
      if (code === 'HANDED_OVER') return;
      const facts = { instanceId: peer.instanceId, connectionId: peer.label, code, message };
      if (code === 'AUTH_REFUSED') {
        const claimed = records.get(peer.instanceId ?? peer.auth?.instanceId ?? '');
        if (claimed !== undefined) claimed.refused += 1;
      }
      logger[code === 'LINK_LOST' ? 'info' : 'warn']({ ...facts, peer: peer.link.peer }, 'connection closed');
      events$.next({ type: 'connection.closed', ...facts });
    },

    incarnationEnded(record, context) {
      const report = reportOf(record, context);
      record.report = report;
      const log = report.reason === 'stopped' || report.reason === 'completed' ? 'info' : 'warn';
      logger[log]({ ...report, stderr: undefined }, 'program ended');
      record.calls.incarnationEnded(endingOf(report), undefined);
      events$.next({ type: 'instance.exited', ...idsOf(record), report });
    },

    instanceEnded(record, context) {
      const report = record.report ?? reportOf(record, context);
      const cause = context.cause ?? { reason: 'internal', code: 'INTERNAL', message: 'ended for no known cause', final: true };
      const last = cause.reason === 'restart' ? { ...report, reason: cause.reason, message: cause.message } : report;
      const error = new SpearletError(codeOf(cause), cause.message, {
        ...idsOf(record),
        exitCode: last.code,
        signal: last.signal,
        stderr: last.stderr,
      });
      record.calls.close(endingOf(last), error);
      record.calls.end();
      record.failure = engine.startFailure(record, cause);
      record.ready.reject(record.failure);
      record.exited.resolve(last);
      for (const follower of [...record.followers]) follower.complete();
      record.followers.clear();
    },

    abandoned(record, thrown) {
      logger.error({ instanceId: record?.id, error: reasonOf(thrown) }, 'failed inside spearlet: this is a defect, please report it');
      if (record === undefined) return;
      // Its chart is broken, and XState runs no cleanup for that. What it held is let go of here.
      for (const dispose of [...record.held]) dispose();
      const error = new SpearletError('INTERNAL', `the instance failed inside spearlet: ${reasonOf(thrown)}`, {
        ...idsOf(record),
        cause: thrown,
      });
      record.calls.close('it failed inside spearlet', error);
      record.calls.end();
      record.ready.reject(error);
      record.exited.resolve({
        ...idsOf(record),
        incarnation: record.incarnation,
        pid: record.pid,
        code: null,
        signal: null,
        reason: 'internal',
        message: error.message,
        uptime: 0,
        stderr: '',
        outputBytes: 0,
        droppedBytes: 0,
      });
    },

    oddMessage(peer, message) {
      peer.link.counts.errorCount += 1;
      const text = message.type === 'Error' ? message.payload.toString('utf8', 0, 1_000) : undefined;
      logger.warn(
        { instanceId: peer.instanceId, connectionId: peer.label, messageType: message.type, text },
        'unexpected message from the agent',
      );
    },

    startFailure(record, cause) {
      const { report, refused } = record;
      const parts = [`${record.artifactId}: ${cause.message}`];
      if (report?.code != null) parts.push(`exit code ${report.code}`);
      if (report?.signal != null) parts.push(`signal ${report.signal}`);
      if (refused > 0)
        parts.push(`${refused} ${refused === 1 ? 'connection was' : 'connections were'} refused for a wrong token or instance id`);
      if (report?.stderr) parts.push(`its stderr ends:\n${report.stderr}`);
      return new SpearletError(codeOf(cause), parts.join('; '), {
        ...idsOf(record),
        exitCode: report?.code,
        signal: report?.signal,
        stderr: report?.stderr,
        refused,
        hint: hints[codeOf(cause)],
      });
    },
  };
  return engine;
}

const codeOf = ({ code }: Cause): ErrorCode => (code in errorCodes ? (code as ErrorCode) : 'INTERNAL');

const hints: Partial<Record<ErrorCode, string>> = {
  CONNECT_TIMEOUT:
    'An agent connects to SPEARLET_ADDR and sends an AuthRequest with SPEARLET_TOKEN; serve() of spearlet/agent does both. Is `connectTimeout` long enough?',
  PORTS_EXHAUSTED: 'Widen `ports`, or use `ports: 0` and let the system choose.',
  SPAWN_FAILED: 'Correct `command`, `workingDirectory` or PATH in `environment`; install what is missing.',
  EXITED_BEFORE_READY: 'Run the program by hand: it has to stay, connect to SPEARLET_ADDR, and authenticate.',
};
