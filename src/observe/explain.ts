// Why an instance is in the state it is in: what its chart waits for and until when, and how it came there. Read off the
// trace when asked; of a stopped instance the last word is kept, for the last so many of them.
import type { SupervisorContext } from '../../machines/supervisor.ts';
import type { InstanceRecord } from '../instance/record.ts';
import { bounds } from '../limits.ts';
import type { Registry } from '../supervisor/registry.ts';
import type { Clock } from '../world/clock.ts';
import {
  type ExplainedConnection,
  type ExplainedState,
  type ExplainedTransition,
  type Explanation,
  textOf,
  type Wait,
} from './explanation.ts';
import type { ActorTrace, Move, Trace } from './trace.ts';
import { pathOf } from './trace-record.ts';

/** Every timeout of the charts of an instance and a connection: what is waited for, and what happens when it is due. */
export const timeouts: Readonly<Record<string, string>> = {
  connectTimeout: 'its program has to connect and prove itself, or it is ended with CONNECT_TIMEOUT',
  reconnectWindow: 'its agent has to come back, or its program is ended',
  terminateDelay: 'its program has to end as it was asked to, or gets SIGTERM',
  gracePeriod: 'its program has to end, or gets SIGKILL',
  giveUpDelay: 'the kernel has to end its program, or it is given up',
  drainDelay: 'what its program wrote before its end is read',
  cleanupTimeout: 'what came of its program is ended to the last, or told as left',
  backoff: 'then its next program is started',
  stableUptime: 'then it counts as stable, and its next backoff is a short one',
  authTimeout: 'it has to prove who it is, or is closed with AUTH_TIMEOUT',
  silence: 'if nothing has come by then, a heartbeat is sent',
  heartbeat: 'its heartbeat has to be answered, or counts as missed',
  finalCheck: 'something has to come, or it is closed with HEARTBEAT_LOST',
  probe: 'it has to show that it is alive, or gives way to another that has shown its token',
};

export interface Explain {
  /** Undefined for an id that was never one, or that was stopped too long ago. */
  explain(instanceId: string): Explanation | undefined;
  /** It is stopped: keeps what can be said of it. */
  remember(record: InstanceRecord): void;
}

export interface ExplainDeps {
  readonly registry: Registry;
  readonly trace: Trace;
  readonly clock: Clock;
  queue(): Pick<SupervisorContext, 'maxConcurrentStarts' | 'waiting'>;
}

const transitionOf = ({ record, count, first }: Move): ExplainedTransition => ({
  at: record.at,
  count,
  first,
  event: record.event ?? '',
  facts: record.facts,
  guard: record.guard,
  from: record.from,
  to: record.to ?? '',
});

export function createExplain({ registry, trace, clock, queue }: ExplainDeps): Explain {
  const stopped = new Map<string, Explanation>();

  const statesOf = ({ innermost }: ActorTrace): ExplainedState[] =>
    innermost.map(({ node, since }) => ({ state: pathOf(node), since, meaning: node.description?.trim() ?? '' }));

  const waitsOf = ({ timers }: ActorTrace): Wait[] => {
    const past = clock.wall() - clock.now();
    return [...timers]
      .map(([id, due]) => ({ timeout: id.split('.')[2] ?? id, until: Math.round(past + due) }))
      .map(({ timeout, until }) => ({ timeout, until, meaning: timeouts[timeout] ?? timeout }))
      .sort((a, b) => a.until - b.until);
  };

  const endsOf = ({ nodes }: ActorTrace): string[] => [
    ...new Set(
      nodes.flatMap(node =>
        [...node.transitions]
          .filter(([event, transitions]) => !event.startsWith('xstate.') && transitions.some(({ target }) => target !== undefined))
          .map(([event]) => event),
      ),
    ),
  ];

  const partsOf = (actor: ActorTrace) => ({
    waits: waitsOf(actor),
    endedBy: endsOf(actor),
    transitions: actor.moves.map(transitionOf),
  });

  const connectionsOf = (record: InstanceRecord, instance: ActorTrace): ExplainedConnection[] =>
    [...record.connections.values()].flatMap(({ id, label, channel, sessionSince }) => {
      const actor = instance.connection(id);
      if (actor === undefined) return [];
      const session = sessionSince !== null;
      return { connectionId: label, peer: channel.peer, session, states: statesOf(actor), ...partsOf(actor) };
    });

  const startSlot = ({ actorId }: InstanceRecord): Wait[] => {
    const { maxConcurrentStarts, waiting } = queue();
    const before = waiting.indexOf(actorId);
    if (before === -1) return [];
    const meaning = `a start slot: ${maxConcurrentStarts} start at once (maxConcurrentStarts), ${before} wait before it`;
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
      inFlight: record.requests.inFlight,
      connections: connectionsOf(record, actor),
      refusals: { count: record.refusals.count, last: record.refusals.last },
      lastExit: record.report,
    };
  };

  return {
    explain(instanceId) {
      const record = registry.records.get(instanceId);
      const facts = record === undefined ? stopped.get(instanceId) : explain(record);
      if (facts === undefined) return undefined;
      const explanation = { ...facts, at: clock.wall() };
      return Object.defineProperty(explanation, 'toString', { value: () => textOf(explanation) });
    },
    remember(record) {
      const last = explain(record);
      trace.forget(record.id);
      if (last === undefined) return;
      stopped.set(record.id, { ...last, state: 'stopped', waits: [], endedBy: [], connections: [] });
      for (const oldest of stopped.keys()) {
        if (stopped.size <= bounds.keptStopped) break;
        stopped.delete(oldest);
      }
    },
  };
}
