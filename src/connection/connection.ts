// One accepted socket: its channel, its names, and how far it is authenticated. It knows no chart.

import type { AuthRequest, U64 } from '../protocol/message.ts';
import type { FramedChannel } from './framed-channel.ts';

export interface Connection {
  /** The actor id among the children of its parent: `connection-1` and so on. Such ids are used again. */
  readonly id: string;
  /** The connection id in events, logs and AuthResponse (as the session id). Never used again. */
  readonly label: string;
  /** The instance whose listener accepted it. Null: the shared listener. */
  readonly instanceId: string | null;
  readonly link: FramedChannel;
  /**
   * `unauthenticated`: no whole AuthRequest has arrived. `asking`: one has arrived. `admitted`: it holds the session.
   * `routed`: the instance's own connection has taken over its channel. `gone`: it was evicted.
   */
  stage: 'unauthenticated' | 'asking' | 'admitted' | 'routed' | 'gone';
  /** Its `connection.closed` was emitted. */
  told: boolean;
  auth: AuthRequest | null;
  /** The request id of its AuthRequest. The AuthResponse repeats it. */
  authId: U64;
  /** Round trip of the last heartbeat that was answered, in ms. Null before the first one. */
  roundTrip: number | null;
}
