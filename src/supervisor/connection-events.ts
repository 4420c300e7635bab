// Reports the ends of connections, as an event and a log line each, counts refused ones, and logs unexpected messages. It ends
// no connection.
import type { Connection } from '../connection/connection.ts';
import type { RefusalList } from '../connection/refusals.ts';
import { SpearletError } from '../errors.ts';
import type { InstanceRecord } from '../instance/record.ts';
import { asErrorCode, idsOf } from '../instance/report.ts';
import { bounds } from '../limits.ts';
import type { Logger } from '../option-schemas.ts';
import { printable } from '../printable.ts';
import type { MessageType } from '../protocol/message.ts';
import type { Clock } from '../world/clock.ts';
import type { SpearletEvent } from './events.ts';

export interface ConnectionEvents {
  reportEnd(connection: Connection, code: string, message: string): void;
  /** The host has released the connection. Reports its end unless its chart has done so. */
  connectionReleased(connection: Connection): void;
  unexpectedMessage(connection: Connection, type: MessageType, payload: Buffer): void;
}

export interface ConnectionEventsDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly records: ReadonlyMap<string, InstanceRecord>;
  readonly unrouted: RefusalList;
  emit(event: SpearletEvent): void;
}

/** A run of characters that could be a token or a part of one. */
const TOKEN_PIECE = /[\w-]{16,}/g;

export function createConnectionEvents({ clock, logger, records, unrouted, emit }: ConnectionEventsDeps): ConnectionEvents {
  const logOf = ({ instanceId }: Connection): Logger => records.get(instanceId ?? '')?.log ?? logger;

  const report = (connection: Connection, level: 'debug' | 'info' | 'warn', code: string, message: string): void => {
    connection.reported = true;
    logOf(connection)[level](
      { connectionId: connection.connectionId, peer: connection.channel.peer, code, reason: message },
      'connection closed',
    );
    emit({ type: 'connection.closed', instanceId: connection.instanceId, connectionId: connection.connectionId, code, message });
  };

  return {
    reportEnd(connection, code, reason) {
      connection.reported = true;
      if (code === 'HANDED_OVER') return;
      const message = printable(reason, bounds.tracedText);
      const record = records.get(connection.instanceId ?? connection.auth?.instanceId ?? '');
      if (code === 'AUTH_REFUSED' && record !== undefined) record.refused += 1;
      if (connection.sessionSince !== null) {
        if (record !== undefined) record.loss = new SpearletError(asErrorCode(code), message, idsOf(record));
        return report(connection, code === 'LINK_LOST' ? 'info' : 'warn', code, message);
      }
      if (code === 'LINK_LOST') return report(connection, 'debug', code, message);
      // An unauthenticated peer must not be able to fill the log: the first refusals of each start are warnings, the rest is counted.
      const refusals = record?.refusals ?? unrouted;
      const isWarning = refusals.add({ at: clock.wall(), peer: connection.channel.peer, code, message });
      report(connection, isWarning ? 'warn' : 'debug', code, message);
    },

    connectionReleased(connection) {
      if (connection.reported || connection.handedOver) return;
      if (connection.instanceId === null) report(connection, 'debug', 'STOPPED', 'the shared listener is closed');
      else report(connection, 'debug', 'INCARNATION_ENDED', 'the host ended the connection with its incarnation');
    },

    unexpectedMessage(connection, messageType, payload) {
      connection.channel.countError();
      const payloadText = payload.toString('utf8', 0, 4 * bounds.quoted).replace(TOKEN_PIECE, '…');
      const text = messageType === 'Error' ? printable(payloadText, bounds.quoted) : undefined;
      logOf(connection).debug({ connectionId: connection.connectionId, messageType, text }, 'unexpected message from the agent');
    },
  };
}
