// The parts that every explanation has: the states of an actor, what it waits for and until when, and its last transitions. They
// are made of its trace.
import type { Clock } from '../world/clock.ts';
import type { Explained, ExplainedState, ExplainedTransition, Wait } from './explanation.ts';
import type { ActorTrace, TakenTransition } from './trace.ts';
import { pathOf } from './trace-record.ts';

/** Every timeout of the charts of instance, session, connection and pool: what has to happen before it is due, and what happens otherwise. */
export const timeouts: Readonly<Record<string, string>> = {
  connectTimeout: 'an agent has to connect and authenticate, or the instance ends with CONNECT_TIMEOUT',
  reconnectWindow: 'the agent has to reconnect, or its program is ended',
  signalDelay: 'the program has to end by itself, or its process tree gets its kill signal (SIGTERM by default)',
  gracePeriod: 'the program has to end, or its whole process tree gets SIGKILL',
  killTimeout: 'the kernel has to end the killed program, or the instance ends without it',
  graceLeft: 'the descendants of the program have to end, or they get SIGKILL',
  drainLimit: 'the executions in flight may end, or the program gets its kill signal',
  outputTimeout: 'the last output of the program is read until then',
  cleanupTimeout: 'the rest of the process tree has to end, or is reported in `left`',
  backoff: 'then the next incarnation starts',
  idleTime: 'a member has to be given an execution, or it ends',
  startBackoff: 'then the pool starts the next member',
  stableUptime: 'then the instance counts as stable, and its next backoff is short again',
  authTimeout: 'the agent has to authenticate, or the connection is closed with AUTH_TIMEOUT',
  heartbeat: 'something has to arrive, or the heartbeat counts as missed',
  finalCheck: 'a message has to arrive, or the connection is closed with HEARTBEAT_LOST',
  probe: 'the holder has to answer the heartbeat, or the session goes to the connection that claims it',
};

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

export function createParts(clock: Clock): { statesOf(actor: ActorTrace): ExplainedState[]; partsOf(actor: ActorTrace): Explained } {
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

  return { statesOf, partsOf };
}
