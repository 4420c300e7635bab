// An accepted socket and what it has shown of itself so far. It knows no chart.

import type { AuthRequest, U64 } from '../protocol/message.ts';
import type { Link } from './framed-channel.ts';

export interface Peer {
  /** Its name among its parent's children: `connection-1` and so on, used again. */
  readonly id: string;
  /** Its name in events and logs, never used again; the session id, too. */
  readonly label: string;
  /** Whose listener it came in by; null: the shared one. */
  readonly instanceId: string | null;
  readonly link: Link;
  /**
   * `stranger`: no whole AuthRequest yet; `asking`: it has sent one; `admitted`: it holds the session; `led`: its link is
   * another peer's now; `gone`: it was turned out.
   */
  stage: 'stranger' | 'asking' | 'admitted' | 'led' | 'gone';
  /** Its end was told. */
  told: boolean;
  auth: AuthRequest | null;
  /** The request id of its AuthRequest, which the answer repeats. */
  authId: U64;
  /** Of the last heartbeat that was answered, in ms. */
  roundTrip: number | null;
}
