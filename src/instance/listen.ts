// The effects `listen` and `sharedListener`: open the listener of one incarnation, or use the shared one, and hand over who
// connects. They know nothing of tokens.
import { type EventObject, fromCallback } from 'xstate';
import type { InstanceEvent, ListenerCommand } from '../../machines/instance.ts';
import type { SupervisorEvent } from '../../machines/supervisor.ts';
import type { Peer } from '../connection/connection.ts';
import { type AcceptDeps, accept } from '../connection/pre-auth-limit.ts';
import { reasonOf, SpearletError } from '../errors.ts';
import { formatAddress } from '../transport/address.ts';
import type { ByteStream, Listener } from '../transport/stream.ts';

export interface ListenDeps {
  /** A new incarnation: the old token is worthless from here on. */
  begin(instanceId: string, incarnation: number): void;
  /** `wire`: somebody has connected; `peer`: somebody is led here by the shared listener. Throws SpearletError. */
  open(instanceId: string, on: { wire(wire: ByteStream): void; peer(peer: Peer): void }): Listener;
  bound(instanceId: string, address: string): void;
  accept(instanceId: string): AcceptDeps;
  peers(instanceId: string): Iterable<Peer>;
  release(peer: Peer): void;
  /** Keeps `dispose` in case the chart cannot call it; returns it, to be called once. */
  hold(instanceId: string, dispose: () => Promise<void> | undefined): () => void;
}

export const listen = (deps: ListenDeps) =>
  fromCallback<ListenerCommand, { instanceId: string; incarnation: number }, InstanceEvent>(({ input, sendBack, receive }) => {
    const { instanceId, incarnation } = input;
    let listening: Listener | null = null;
    deps.begin(instanceId, incarnation);

    const announce = (peer: Peer | null): void => {
      if (peer !== null) sendBack({ type: 'socket.accepted', connectionId: peer.id });
    };

    const bind = (): void => {
      try {
        listening = deps.open(instanceId, { wire: wire => announce(accept(deps.accept(instanceId), wire)), peer: announce });
        const address = formatAddress(listening.address);
        deps.bound(instanceId, address);
        sendBack({ type: 'listener.bound', address });
      } catch (thrown) {
        sendBack({
          type: 'listener.failed',
          code: thrown instanceof SpearletError ? thrown.code : 'LISTEN_FAILED',
          message: reasonOf(thrown),
        });
      }
    };

    receive(command => {
      if (command.type === 'bind') bind();
      else for (const peer of deps.peers(instanceId)) if (peer.id === command.connectionId) deps.release(peer);
    });

    return deps.hold(instanceId, () => {
      for (const peer of deps.peers(instanceId)) deps.release(peer);
      return listening?.close();
    });
  });

export interface SharedListenerDeps {
  onConnection(handler: (stream: ByteStream) => void): () => void;
  accept: AcceptDeps;
  release(peer: Peer): void;
}

export const sharedListener = (deps: SharedListenerDeps) =>
  fromCallback<EventObject, unknown, SupervisorEvent>(({ sendBack }) => {
    const leave = deps.onConnection(wire => {
      const peer = accept(deps.accept, wire);
      if (peer !== null) sendBack({ type: 'socket.accepted', connectionId: peer.id });
    });
    return () => {
      leave();
      for (const peer of deps.accept.peers()) deps.release(peer);
    };
  });
