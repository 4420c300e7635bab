// Explains why an instance is in its state: what its chart waits for and until when, and which transitions led there. It reads
// the trace only when explain() is called. The last explanations of stopped instances are kept, up to `bounds.keptStopped`.
import type { SupervisorContext } from '../../machines/supervisor.ts';
import type { InstanceRecord } from '../instance/record.ts';
import { bounds } from '../limits.ts';
import type { Registry } from '../supervisor/registry.ts';
import type { Clock } from '../world/clock.ts';
import { createParts } from './explained-parts.ts';
import { type ExplainedConnection, type ExplainedSession, type Explanation, textOf, type Wait } from './explanation.ts';
import type { ActorTrace, Trace } from './trace.ts';

export interface Explain {
  /** Undefined for an unknown id, and for an instance that is no longer among the last ones that stopped. */
  explain(instanceId: string): Explanation | undefined;
  /** Keeps the last explanation of an instance that has stopped. */
  remember(record: InstanceRecord): void;
}

export interface ExplainDeps {
  readonly registry: Registry;
  readonly trace: Trace;
  readonly clock: Clock;
  queue(): Pick<SupervisorContext, 'maxConcurrentStarts' | 'waiting'>;
}

export function createExplain({ registry, trace, clock, queue }: ExplainDeps): Explain {
  const stopped = new Map<string, Explanation>();
  const { statesOf, partsOf } = createParts(clock);

  const connectionsOf = (record: InstanceRecord, instance: ActorTrace): ExplainedConnection[] =>
    [...record.connections.values()].flatMap(({ actorId, connectionId, channel, sessionSince }) => {
      const actor = instance.connection(actorId);
      if (actor === undefined) return [];
      const session = sessionSince !== null;
      return { connectionId, peer: channel.peer, session, states: statesOf(actor), ...partsOf(actor) };
    });

  const sessionOf = ({ session }: ActorTrace): ExplainedSession | null => {
    const [state] = session === undefined ? [] : statesOf(session);
    return session === undefined || state === undefined ? null : { chart: state, ...partsOf(session) };
  };

  const startSlot = ({ actorId }: InstanceRecord): Wait[] => {
    const { maxConcurrentStarts, waiting } = queue();
    const own = waiting.find(each => each.actorId === actorId);
    if (own === undefined) return [];
    const before = waiting.slice(0, waiting.indexOf(own)).filter(({ restart }) => restart === own.restart).length;
    const slots = `there are ${maxConcurrentStarts} for ${own.restart ? 'restarts' : 'first starts'} (maxConcurrentStarts)`;
    const meaning = `a start slot: ${slots}; instances before this one in the queue: ${before}`;
    return [{ timeout: null, until: null, meaning }];
  };

  const explain = (record: InstanceRecord): Explanation | undefined => {
    const actor = trace.of(record.id);
    const [chart] = actor === undefined ? [] : statesOf(actor);
    if (actor === undefined || chart === undefined) return undefined;
    const parts = partsOf(actor);
    return {
      at: clock.wall(),
      instanceId: record.id,
      artifactId: record.artifactId,
      incarnation: record.incarnation,
      pid: record.pid,
      address: record.address,
      state: record.state,
      chart,
      ...parts,
      waits: [...startSlot(record), ...parts.waits],
      inFlight: record.requests.inFlight(),
      session: sessionOf(actor),
      connections: connectionsOf(record, actor),
      refusals: { count: record.refusals.count, last: record.refusals.last },
      lastExit: record.report,
    };
  };

  return {
    explain(instanceId) {
      const record = registry.records.get(instanceId);
      const found = record === undefined ? stopped.get(instanceId) : explain(record);
      if (found === undefined) return undefined;
      const explanation = { ...found, at: clock.wall() };
      return Object.defineProperty(explanation, 'toString', { value: () => textOf(explanation) });
    },
    remember(record) {
      const last = explain(record);
      trace.forget(record.id);
      if (last === undefined) return;
      stopped.set(record.id, { ...last, state: 'stopped', waits: [], endedBy: [], session: null, connections: [] });
      for (const oldest of stopped.keys()) {
        if (stopped.size <= bounds.keptStopped) break;
        stopped.delete(oldest);
      }
    },
  };
}
