// One accepted socket: its channel, its names, and what is known of the other end. Its state is in the connection chart.
import type { AuthRequest, U64 } from '../protocol/message.ts';
import type { HostChannel } from './channel.ts';
import type { Handshake } from './credentials.ts';

export interface Connection {
  /** The actor id among the children of its parent: `connection-1` and so on. Such ids are used again. */
  readonly actorId: string;
  /** The connection id in events, logs and AuthResponse (as the session id). Never used again. */
  readonly connectionId: string;
  /** The instance whose listener accepted it. Null: the shared listener. */
  readonly instanceId: string | null;
  readonly channel: HostChannel;
  /** Another connection record has taken over its channel, which therefore stays open. */
  handedOver: boolean;
  /** Its `connection.closed` was emitted. */
  reported: boolean;
  /** Its first AuthRequest. */
  auth: AuthRequest | null;
  /** The handshake of wire v2 that it has begun. */
  handshake: Handshake | null;
  proof: string | null;
  /** The request id of its last AuthRequest. The AuthResponse repeats it. */
  authId: U64;
  /** When the host granted it the session, in ms of the clock's `now`. Null: never. */
  sessionSince: number | null;
  /** Round trip of the last heartbeat that was answered, in ms. Null before the first one. */
  roundTrip: number | null;
}
