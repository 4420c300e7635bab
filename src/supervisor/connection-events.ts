// Reports about connections: an event and a log line for each end, the count of refused ones, and unexpected messages. It ends
// no connection.
import type { Connection } from '../connection/connection.ts';
import type { RefusalList } from '../connection/refusals.ts';
import { SpearletError } from '../errors.ts';
import type { InstanceRecord } from '../instance/record.ts';
import { asErrorCode, idsOf } from '../instance/report.ts';
import { bounds } from '../limits.ts';
import type { Logger } from '../options.ts';
import { printable } from '../printable.ts';
import type { SpearMessage } from '../protocol/message.ts';
import type { Clock } from '../world/clock.ts';
import type { SpearletEvent } from './events.ts';

export interface ConnectionEvents {
  connectionClosed(peer: Connection, code: string, message: string): void;
  /** The host has released it. If its chart did not report an end, it ends with its incarnation or with the shared listener. */
  connectionReleased(peer: Connection): void;
  unexpectedMessage(peer: Connection, message: SpearMessage): void;
}

export interface ConnectionsDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly records: ReadonlyMap<string, InstanceRecord>;
  readonly unrouted: RefusalList;
  emit(event: SpearletEvent): void;
}

/** A run of characters that could be a token or a part of one. */
const TOKEN_PIECE = /[\w-]{16,}/g;

export function createConnectionEvents({ clock, logger, records, unrouted, emit }: ConnectionsDeps): ConnectionEvents {
  const logOf = ({ instanceId }: Connection): Logger => records.get(instanceId ?? '')?.log ?? logger;

  const tell = (peer: Connection, level: 'debug' | 'info' | 'warn', code: string, message: string): void => {
    peer.told = true;
    logOf(peer)[level]({ connectionId: peer.label, peer: peer.link.peer, code, reason: message }, 'connection closed');
    emit({ type: 'connection.closed', instanceId: peer.instanceId, connectionId: peer.label, code, message });
  };

  return {
    connectionClosed(peer, code, reason) {
      peer.told = true;
      if (code === 'HANDED_OVER') return;
      const message = printable(reason, bounds.tracedText);
      const meant = records.get(peer.instanceId ?? peer.auth?.instanceId ?? '');
      if (code === 'AUTH_REFUSED' && meant !== undefined) meant.refused += 1;
      if (peer.stage === 'admitted') {
        if (meant !== undefined) meant.loss = new SpearletError(asErrorCode(code), message, idsOf(meant));
        return tell(peer, code === 'LINK_LOST' ? 'info' : 'warn', code, message);
      }
      if (code === 'LINK_LOST') return tell(peer, 'debug', code, message);
      // Unauthenticated peers must not be able to fill the log: a few lines for each start, the rest is counted.
      const refusals = meant?.refusals ?? unrouted;
      const loud = refusals.add({ at: clock.wall(), peer: peer.link.peer, code, message });
      tell(peer, loud ? 'warn' : 'debug', code, message);
    },

    connectionReleased(peer) {
      if (peer.told || peer.stage === 'routed') return;
      if (peer.instanceId === null) tell(peer, 'debug', 'STOPPED', 'the shared listener is closed');
      else tell(peer, 'debug', 'INCARNATION_ENDED', 'the host ended it with its incarnation');
    },

    unexpectedMessage(peer, message) {
      peer.link.counts.errorCount += 1;
      const said = message.payload.toString('utf8', 0, 4 * bounds.quoted).replace(TOKEN_PIECE, '…');
      const text = message.type === 'Error' ? printable(said, bounds.quoted) : undefined;
      logOf(peer).debug({ connectionId: peer.label, messageType: message.type, text }, 'unexpected message from the agent');
    },
  };
}
