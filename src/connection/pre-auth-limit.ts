// Who is let in to say who he is: so many strangers at once, and no more.
import type { ByteStream } from '../transport/stream.ts';
import type { Peer } from './connection.ts';

export interface AcceptDeps {
  /** Everybody who has come in by this listener and is still there, the oldest first. */
  peers(): Iterable<Peer>;
  /** Keeps the socket and gives it an id. */
  admit(wire: ByteStream): Peer;
  maxPending(): number;
}

/** The peer of a new wire; null where it was turned away. */
export function accept({ peers, admit, maxPending }: AcceptDeps, wire: ByteStream): Peer | null {
  const pending = [...peers()].filter(peer => peer.stage === 'stranger' || peer.stage === 'asking');
  if (pending.length >= maxPending()) {
    // The oldest that has not even said who it is makes room: whoever has, is about to be judged.
    const oldest = pending.find(peer => peer.stage === 'stranger');
    if (oldest === undefined) {
      wire.close();
      return null;
    }
    oldest.stage = 'gone';
    oldest.link.end({ code: 'LINK_LOST', message: 'evicted: too many connections that have not said who they are' });
  }
  return admit(wire);
}
