// The effect `listen`: opens the listener of one incarnation, and accepts connections there, or takes over those that the
// shared listener routes to this instance. It does not authenticate.
import { fromCallback } from 'xstate';
import type { InstanceEvent, ListenerCommand } from '../../machines/instance-types.ts';
import type { Connection } from '../connection/connection.ts';
import { acceptWithin } from '../connection/pre-auth-limit.ts';
import { reasonOf, SpearletError } from '../errors.ts';
import { bounds } from '../limits.ts';
import { formatAddress } from '../transport/address.ts';
import { INHERITED } from '../transport/inherited.ts';
import type { ByteStream, Listener } from '../transport/stream.ts';
import { type InstanceSupervisor, onAbandon } from './instance-supervisor.ts';
import type { InstanceRecord } from './record.ts';

export interface ListenDeps {
  readonly supervisor: InstanceSupervisor;
  /** Prepares the record for a new incarnation. From here on the old token is not accepted. */
  begin(record: InstanceRecord, incarnation: number): void;
  /**
   * `own` opens a listener for this instance alone. `acquire` uses the shared one, which is for TCP; null: there is none. Both throw
   * SpearletError.
   */
  readonly open: {
    own(record: InstanceRecord, accepted: (stream: ByteStream) => void): Listener;
    acquire: (() => Listener) | null;
  };
  /** Registers an accepted stream as a connection. */
  register(instanceId: string, stream: ByteStream): Connection;
  release(connection: Connection): void;
}

export const listen = ({ supervisor, begin, open, register, release }: ListenDeps) =>
  fromCallback<ListenerCommand, { instanceId: string; incarnation: number }, InstanceEvent>(({ input, sendBack, receive }) => {
    const { instanceId, incarnation } = input;
    const record = supervisor.record(instanceId);
    const { connections } = record;
    let close: (() => Promise<void>) | null = null;
    begin(record, incarnation);

    const announce = (connection: Connection | null): void => {
      if (connection !== null) sendBack({ type: 'socket.accepted', connectionActorId: connection.actorId });
    };
    const limit = {
      connections: () => connections.values(),
      register: (stream: ByteStream) => register(instanceId, stream),
      maxPending: () => bounds.pendingConnections,
    };

    const bind = (): Listener => {
      if (record.transport === 'fd') {
        record.acceptInherited = stream => announce(acceptWithin(limit, stream));
        return { address: { kind: 'fd', descriptor: INHERITED }, close: () => Promise.resolve() };
      }
      if (open.acquire === null || record.transport !== 'tcp') return open.own(record, stream => announce(acceptWithin(limit, stream)));
      const listener = open.acquire();
      supervisor.routes.set(instanceId, announce);
      return {
        ...listener,
        close() {
          supervisor.routes.delete(instanceId);
          return listener.close();
        },
      };
    };

    receive(command => {
      if (command.type === 'drop') {
        const dropped = connections.get(command.connectionActorId);
        if (dropped !== undefined) release(dropped);
        return;
      }
      try {
        const listener = bind();
        close = listener.close;
        record.address = formatAddress(listener.address);
        sendBack({ type: 'listener.bound', address: record.address });
      } catch (thrown) {
        record.run.thrown = thrown;
        sendBack({
          type: 'listener.failed',
          code: thrown instanceof SpearletError ? thrown.code : 'LISTEN_FAILED',
          message: reasonOf(thrown),
        });
      }
    });

    return onAbandon(record, supervisor, () => {
      for (const connection of connections.values()) release(connection);
      return close?.();
    });
  });
