// Caps the unauthenticated connections of one listener. Beyond the bound the oldest that has shown neither a token nor a proof
// is evicted; where all have shown one, the new connection is refused.
import type { ByteStream } from '../transport/stream.ts';
import type { Connection } from './connection.ts';

export interface PreAuthLimit {
  /** The open connections of this listener, the oldest first. */
  connections(): Iterable<Connection>;
  /** Keeps the socket and gives it an id. */
  register(stream: ByteStream): Connection;
  maxPending(): number;
}

/** The connection of a new socket. Null: it was refused. */
export function acceptWithin({ connections, register, maxPending }: PreAuthLimit, stream: ByteStream): Connection | null {
  const pending = [...connections()].filter(({ sessionSince, channel }) => sessionSince === null && !channel.over);
  if (pending.length >= maxPending()) {
    // Those that have shown a token or a proof are authenticated or refused at once.
    const oldest = pending.find(({ auth, handshake, proof }) => auth === null || (handshake !== null && proof === null));
    if (oldest === undefined) {
      stream.close();
      return null;
    }
    oldest.channel.end({ code: 'LINK_LOST', message: 'evicted: too many unauthenticated connections' });
  }
  return register(stream);
}
