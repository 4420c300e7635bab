// What the agent of one incarnation authenticates with, and the epochs of its sessions. authenticate.ts decides with it.
import type { Challenge, Offer } from '../protocol/message.ts';
import { type ChallengeTerms, hostProof, type Key, resumeKey } from '../protocol/v2/proof.ts';
import { Continuity } from './continuity.ts';

/** With what the agent of one incarnation authenticates. It never leaves the record of the instance. */
export interface Credentials {
  readonly instanceId: string;
  readonly token: string;
  /** The version of its sessions so far. Null: there was none. After v2, v1 is refused. */
  version: 1 | 2 | null;
  /** The epoch of the last session of v2. 0: there was none. */
  epoch: number;
  resumeKey: Key | null;
  /** Of the running epoch. */
  continuity: Continuity | null;
}

export const newCredentials = (instanceId: string, token: string): Credentials => ({
  instanceId,
  token,
  version: null,
  epoch: 0,
  resumeKey: null,
  continuity: null,
});

/** What one connection has offered in a handshake of v2, and how the host has answered. */
export interface Handshake {
  readonly offer: Offer;
  readonly terms: ChallengeTerms;
  readonly key: Key;
}

/** The host's proof to the agent. */
export const challengeOf = ({ offer, terms, key }: Handshake, instanceId: string): Challenge => ({
  ...terms,
  proof: hostProof(key, instanceId, offer, terms),
});

/**
 * The host has granted the session to a connection: the epoch of its handshake is the running one. Returns what the epoch goes on with.
 * Null: the connection speaks v1.
 */
export function openEpoch(credentials: Credentials, handshake: Handshake | null): Continuity | null {
  if (handshake === null) {
    credentials.version ??= 1;
    return null;
  }
  const { offer, terms, key } = handshake;
  credentials.version = 2;
  // A resumed epoch keeps its key: a new one would shut out an agent that the answer does not reach.
  if (offer.epoch !== null) return credentials.continuity;
  credentials.continuity?.queue.close();
  credentials.continuity = new Continuity();
  credentials.epoch = terms.epoch;
  credentials.resumeKey = resumeKey(key, credentials.instanceId, offer, terms);
  return credentials.continuity;
}
