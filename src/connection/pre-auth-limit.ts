// Caps the unauthenticated connections of one listener. Beyond the bound the oldest that has sent no AuthRequest is evicted;
// where all have sent one, the new connection is turned away.
import type { ByteStream } from '../transport/stream.ts';
import type { Connection } from './connection.ts';

export interface AcceptDeps {
  /** The open connections of this listener, the oldest first. */
  connections(): Iterable<Connection>;
  /** Keeps the socket and gives it an id. */
  admit(wire: ByteStream): Connection;
  maxPending(): number;
}

/** The connection of a new socket; null where it was turned away. */
export function accept({ connections, admit, maxPending }: AcceptDeps, wire: ByteStream): Connection | null {
  const pending = [...connections()].filter(({ stage }) => stage === 'unauthenticated' || stage === 'asking');
  if (pending.length >= maxPending()) {
    // Those that have sent an AuthRequest are about to be judged.
    const oldest = pending.find(({ stage }) => stage === 'unauthenticated');
    if (oldest === undefined) {
      wire.close();
      return null;
    }
    oldest.stage = 'gone';
    oldest.link.end({ code: 'LINK_LOST', message: 'evicted: too many connections that have not said who they are' });
  }
  return admit(wire);
}
