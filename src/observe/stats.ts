// The numbers of stats(): executions, messages and bytes of each instance and connection. They are read from the records when
// stats() is called; no counter exists for stats() alone.

import type { ExecutionCounts } from '../execution/counts.ts';
import type { InstanceState } from '../instance/instance.ts';
import type { Registry } from '../supervisor/registry.ts';
import type { Clock } from '../world/clock.ts';

/** The numbers of one connection since it was opened. */
export interface ConnectionStats {
  /** The id of the connection, as in events and log lines. */
  readonly connectionId: string;
  /** The address of the other end. */
  readonly peer: string;
  /** When it was opened, in ms since 1970. */
  readonly connectedAt: number;
  /** When something was last received, in ms since 1970. */
  readonly lastActivity: number;
  /** Messages that were sent. */
  readonly messagesSent: number;
  /** Messages that were received. */
  readonly messagesReceived: number;
  /** Bytes that were sent. */
  readonly bytesSent: number;
  /** Bytes that were received. */
  readonly bytesReceived: number;
  /** Frames that could not be read, and unexpected messages. */
  readonly errorCount: number;
  /** The round trip of the last answered heartbeat, in ms; null before the first. */
  readonly roundTrip: number | null;
  /** Bytes that are not written to the socket yet. */
  readonly queuedBytes: number;
  /** The host does not read from the socket, because a reader of updates is slow. */
  readonly paused: boolean;
}

/** The numbers of one instance since it was started. */
export interface InstanceStats extends Readonly<ExecutionCounts> {
  /** The id of the instance. */
  readonly instanceId: string;
  /** The name of what runs, as in the spec. */
  readonly artifactId: string;
  /** The state now. */
  readonly state: InstanceState;
  /** Which program of the instance it is: 1 for the first one. */
  readonly incarnation: number;
  /** The pid of the present program; null before its start. In backoff it is that of the program that has ended. */
  readonly pid: number | null;
  /** Executions in flight, those that wait for a session included. */
  readonly inFlight: number;
  /** Sessions opened after the first of their incarnation. */
  readonly reconnects: number;
  /** Connections that were refused with AUTH_REFUSED, for example for a wrong token. */
  readonly refused: number;
  /** Bytes that the present program wrote to stdout and stderr. It begins anew with each incarnation. */
  readonly outputBytes: number;
  /** How many of these bytes were not kept. It begins anew, too. */
  readonly droppedBytes: number;
  /** Every open connection; the one that holds the session is marked. */
  readonly connections: readonly (ConnectionStats & { readonly session: boolean })[];
}

/** The numbers of one spearlet. */
export interface Stats {
  /** Every instance that is not yet stopped. */
  readonly instances: readonly InstanceStats[];
  /** Connections at the shared listener whose instance is not known yet. */
  readonly unauthenticatedConnections: number;
}

/** @internal */
export function statsOf(registry: Registry, clock: Clock): Stats {
  const wallOffset = clock.wall() - clock.now();
  const instances = [...registry.records.values()].map(record => ({
    instanceId: record.id,
    artifactId: record.artifactId,
    state: record.state,
    incarnation: record.incarnation,
    pid: record.pid,
    inFlight: record.requests.inFlight(),
    reconnects: record.reconnects,
    refused: record.refused,
    ...record.requests.counts,
    outputBytes: record.output.totalBytes,
    droppedBytes: record.output.droppedBytes,
    connections: [...record.connections.values()].map(({ connectionId, channel, roundTrip, sessionSince }) => {
      const { counts } = channel;
      return {
        ...counts,
        connectionId,
        peer: channel.peer,
        connectedAt: Math.round(wallOffset + counts.connectedAt),
        lastActivity: Math.round(wallOffset + counts.lastActivity),
        roundTrip,
        queuedBytes: channel.queue.pending,
        paused: channel.paused,
        session: sessionSince !== null,
      };
    }),
  }));
  return { instances, unauthenticatedConnections: registry.unroutedConnections.size };
}
