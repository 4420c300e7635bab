// The numbers of stats(): executions, messages and bytes of each instance and connection. They are read from the records when
// stats() is called; no counter exists for stats() alone.

import type { ExecutionCounts } from '../execution/counts.ts';
import type { InstanceState } from '../instance/instance.ts';
import type { Registry } from '../supervisor/registry.ts';
import type { Clock } from '../world/clock.ts';

export interface ConnectionStats {
  readonly connectionId: string;
  readonly peer: string;
  /** Times in ms since 1970. */
  readonly connectedAt: number;
  readonly lastActivity: number;
  readonly messagesSent: number;
  readonly messagesReceived: number;
  readonly bytesSent: number;
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

export interface InstanceStats extends Readonly<ExecutionCounts> {
  readonly instanceId: string;
  readonly artifactId: string;
  readonly state: InstanceState;
  readonly incarnation: number;
  readonly pid: number | null;
  readonly inFlight: number;
  /** Sessions opened after the first of their incarnation. */
  readonly reconnects: number;
  /** Attempts with a wrong token or instance id. */
  readonly refused: number;
  /** Bytes that the program wrote to stdout and stderr, and how many of them were not kept. */
  readonly outputBytes: number;
  readonly droppedBytes: number;
  /** Every open connection; the one that holds the session is marked. */
  readonly connections: readonly (ConnectionStats & { readonly session: boolean })[];
}

export interface Stats {
  readonly instances: readonly InstanceStats[];
  /** Connections at the shared listener whose instance is not known yet. */
  readonly unauthenticatedConnections: number;
}

export function statsOf(registry: Registry, clock: Clock): Stats {
  const wallOffset = clock.wall() - clock.now();
  const instances = [...registry.records.values()].map(record => ({
    instanceId: record.id,
    artifactId: record.artifactId,
    state: record.state,
    incarnation: record.incarnation,
    pid: record.pid,
    inFlight: record.requests.inFlight,
    reconnects: record.reconnects,
    refused: record.refused,
    ...record.requests.counts,
    outputBytes: record.output.totalBytes,
    droppedBytes: record.output.droppedBytes,
    connections: [...record.connections.values()].map(({ label, channel, roundTrip, sessionSince }) => {
      const { counts } = channel;
      return {
        ...counts,
        connectionId: label,
        peer: channel.peer,
        connectedAt: Math.round(wallOffset + counts.connectedAt),
        lastActivity: Math.round(wallOffset + counts.lastActivity),
        roundTrip,
        queuedBytes: channel.pending,
        paused: channel.paused,
        session: sessionSince !== null,
      };
    }),
  }));
  return { instances, unauthenticatedConnections: registry.unroutedConnections.size };
}
