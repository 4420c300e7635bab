// The effect `sharedListener`: takes in the connections of the listener that all instances share, until it is known which
// instance each belongs to.
import { type EventObject, fromCallback } from 'xstate';
import type { SupervisorEvent } from '../../machines/supervisor.ts';
import type { Connection } from '../connection/connection.ts';
import { type AcceptDeps, accept } from '../connection/pre-auth-limit.ts';
import type { Wire } from '../transport/stream.ts';

export interface SharedListenerDeps {
  attend(accepted: (wire: Wire) => void): () => void;
  readonly limit: AcceptDeps;
  release(connection: Connection): void;
}

export const sharedListener = ({ attend, limit, release }: SharedListenerDeps) =>
  fromCallback<EventObject, unknown, SupervisorEvent>(({ sendBack }) => {
    const leave = attend(wire => {
      const connection = accept(limit, wire);
      if (connection !== null) sendBack({ type: 'socket.accepted', connectionId: connection.id });
    });
    return () => {
      leave();
      for (const connection of limit.connections()) release(connection);
    };
  });
