// Explains why an instance is in its state: what its chart waits for and until when, and which transitions led there. It reads
// the trace only when explain() is called. The last explanations of stopped instances are kept, up to `bounds.keptStopped`.
import type { SupervisorContext } from '../../machines/supervisor.ts';
import type { InstanceRecord } from '../instance/record.ts';
import { bounds } from '../limits.ts';
import type { Registry } from '../supervisor/registry.ts';
import type { Clock } from '../world/clock.ts';
import {
  type ExplainedConnection,
  type ExplainedSession,
  type ExplainedState,
  type ExplainedTransition,
  type Explanation,
  textOf,
  type Wait,
} from './explanation.ts';
import type { ActorTrace, TakenTransition, Trace } from './trace.ts';
import { pathOf } from './trace-record.ts';

/** Every timeout of the instance, session and connection charts: what has to happen before it is due, and what happens otherwise. */
export const timeouts: Readonly<Record<string, string>> = {
  connectTimeout: 'an agent has to connect and authenticate, or the instance ends with CONNECT_TIMEOUT',
  reconnectWindow: 'the agent has to reconnect, or its program is ended',
  terminateDelay: 'the program has to end by itself, or gets SIGTERM',
  gracePeriod: 'the program has to end, or its whole process tree gets SIGKILL',
  giveUpDelay: 'the kernel has to end the killed program, or the instance ends without it',
  drainDelay: 'the last output of the program is read until then',
  cleanupTimeout: 'the rest of the process tree has to end, or is reported in `left`',
  backoff: 'then the next incarnation starts',
  stableUptime: 'then the instance counts as stable, and its next backoff is short again',
  authTimeout: 'the agent has to authenticate, or the connection is closed with AUTH_TIMEOUT',
  heartbeat: 'the heartbeat has to be answered, or counts as missed',
  finalCheck: 'a message has to arrive, or the connection is closed with HEARTBEAT_LOST',
  probe: 'a message has to arrive, or the session goes to the connection that claims it',
};

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

const transitionOf = ({ record, count, first }: TakenTransition): ExplainedTransition => ({
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
    const wallOffset = clock.wall() - clock.now();
    return [...timers]
      .map(([id, due]) => ({ timeout: id.split('.')[2] ?? id, until: Math.round(wallOffset + due) }))
      .map(({ timeout, until }) => ({ timeout, until, meaning: timeouts[timeout] ?? timeout }))
      .sort((a, b) => a.until - b.until);
  };

  const endingEvents = ({ nodes }: ActorTrace): string[] => [
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
    endedBy: endingEvents(actor),
    transitions: actor.transitions.map(transitionOf),
  });

  const connectionsOf = (record: InstanceRecord, instance: ActorTrace): ExplainedConnection[] =>
    [...record.connections.values()].flatMap(({ id, label, channel, sessionSince }) => {
      const actor = instance.connection(id);
      if (actor === undefined) return [];
      const session = sessionSince !== null;
      return { connectionId: label, peer: channel.peer, session, states: statesOf(actor), ...partsOf(actor) };
    });

  const sessionOf = ({ session }: ActorTrace): ExplainedSession | null => {
    const [state] = session === undefined ? [] : statesOf(session);
    return session === undefined || state === undefined ? null : { chart: state, ...partsOf(session) };
  };

  const startSlot = ({ actorId }: InstanceRecord): Wait[] => {
    const { maxConcurrentStarts, waiting } = queue();
    const before = waiting.indexOf(actorId);
    if (before === -1) return [];
    const meaning = `a start slot: there are ${maxConcurrentStarts} (maxConcurrentStarts); instances before this one in the queue: ${before}`;
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
