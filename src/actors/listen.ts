// The effect `listen`: opens the listener of one incarnation and hands over who connects. It knows nothing of tokens.
import { fromCallback } from 'xstate';
import type { InstanceEvent, ListenerCommand } from '../../machines/instance.ts';
import { reasonOf, SpearletError } from '../errors.ts';
import type { Listening, Wire } from '../transport/wire.ts';
import type { Peer } from './peer.ts';

export interface ListenDeps {
  /** A new incarnation: the old token is worthless from here on. */
  begin(instanceId: string, incarnation: number): void;
  open(instanceId: string, accepted: (wire: Wire) => void): Promise<Listening>;
  bound(instanceId: string, address: string): void;
  /** Keeps the socket and gives it an id. */
  admit(instanceId: string, wire: Wire): Peer;
  peers(instanceId: string): Iterable<Peer>;
  release(peer: Peer): void;
  /** Keeps `dispose` in case the chart cannot call it; returns it, to be called once. */
  hold(instanceId: string, dispose: () => Promise<void> | undefined): () => void;
  maxPending: number;
}

export const listen = (deps: ListenDeps) =>
  fromCallback<ListenerCommand, { instanceId: string; incarnation: number }, InstanceEvent>(({ input, sendBack, receive }) => {
    const { instanceId, incarnation } = input;
    let listening: Listening | null = null;
    let over = false;
    deps.begin(instanceId, incarnation);

    const accepted = (wire: Wire): void => {
      if (over) return wire.close();
      const pending = [...deps.peers(instanceId)].filter(peer => peer.stage === 'stranger' || peer.stage === 'asking');
      if (pending.length >= deps.maxPending) {
        // The oldest that has not even said who it is makes room: whoever has, is about to be judged.
        const oldest = pending.find(peer => peer.stage === 'stranger');
        if (oldest === undefined) return wire.close();
        oldest.stage = 'evicted';
        oldest.link.end({ code: 'LINK_LOST', message: 'evicted: too many connections that have not said who they are' });
      }
      sendBack({ type: 'socket.accepted', connectionId: deps.admit(instanceId, wire).id });
    };

    const bind = async (): Promise<void> => {
      try {
        const opened = await deps.open(instanceId, accepted);
        if (over) return void opened.close();
        listening = opened;
        deps.bound(instanceId, opened.address);
        sendBack({ type: 'listener.bound', address: opened.address });
      } catch (thrown) {
        if (over) return;
        const code = thrown instanceof SpearletError ? thrown.code : 'LISTEN_FAILED';
        sendBack({ type: 'listener.failed', code, message: reasonOf(thrown) });
      }
    };

    receive(command => {
      if (command.type === 'bind') void bind();
      else for (const peer of deps.peers(instanceId)) if (peer.id === command.connectionId) deps.release(peer);
    });

    return deps.hold(instanceId, () => {
      over = true;
      for (const peer of deps.peers(instanceId)) deps.release(peer);
      return listening?.close();
    });
  });
