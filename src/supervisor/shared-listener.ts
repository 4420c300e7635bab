// The effect `sharedListener`: accepts connections at the listener that all instances share, and owns each one until its
// instance is known.
import { type EventObject, fromCallback } from 'xstate';
import type { SupervisorEvent } from '../../machines/supervisor.ts';
import type { Connection } from '../connection/connection.ts';
import { acceptWithin, type PreAuthLimit } from '../connection/pre-auth-limit.ts';
import type { ByteStream } from '../transport/stream.ts';

export interface SharedListenerDeps {
  onConnection(handler: (stream: ByteStream) => void): () => void;
  readonly limit: PreAuthLimit;
  release(connection: Connection): void;
}

export const sharedListener = ({ onConnection, limit, release }: SharedListenerDeps) =>
  fromCallback<EventObject, unknown, SupervisorEvent>(({ sendBack }) => {
    const leave = onConnection(stream => {
      const connection = acceptWithin(limit, stream);
      if (connection !== null) sendBack({ type: 'socket.accepted', connectionActorId: connection.actorId });
    });
    return () => {
      leave();
      for (const connection of limit.connections()) release(connection);
    };
  });
