// The host's side of authentication: what an incarnation's agent has to know, and the verdict on what a connection has shown.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Verdict } from '../../machines/connection.ts';
import type { AuthRequest, Challenge, Offer } from '../protocol/message.ts';
import { agentProof, type ChallengeTerms, hostProof, isSameProof, type Key, resumeKey } from '../protocol/v2/proof.ts';
import type { Random } from '../world/random.ts';
import { Continuity } from './continuity.ts';

/** With what the agent of one incarnation authenticates. It never leaves the record of the instance. */
export interface Credentials {
  readonly instanceId: string;
  readonly token: string;
  /** The version of its sessions so far. Null: there was none. After v2, v1 is refused. */
  version: 1 | 2 | null;
  /** The epochs of v2 that were offered so far, and the one of the last session. 0: none. */
  offeredEpochs: number;
  epoch: number;
  resumeKey: Key | null;
  /** Of the running epoch. */
  continuity: Continuity | null;
}

export const newCredentials = (instanceId: string, token: string): Credentials => ({
  instanceId,
  token,
  version: null,
  offeredEpochs: 0,
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

/** What a connection has shown so far. */
export interface Shown {
  readonly auth: AuthRequest | null;
  handshake: Handshake | null;
  readonly proof: string | null;
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Compares digests, so that neither a length nor a place of difference shows in the time it takes. */
const isSame = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b));

const nonceOf = (random: Random): string => digest(random.token()).toString('hex');

/** Chooses the version and the key of a handshake. Null: the epoch that the agent wants to resume is not the running one. */
function begin(offer: Offer, protocol: number, credentials: Credentials, random: Random): Handshake | null {
  const nonce = nonceOf(random);
  if (offer.epoch === null) {
    credentials.offeredEpochs += 1;
    return { offer, key: credentials.token, terms: { protocol, nonce, epoch: credentials.offeredEpochs } };
  }
  if (offer.epoch !== credentials.epoch || credentials.resumeKey === null) return null;
  return { offer, key: credentials.resumeKey, terms: { protocol, nonce, epoch: offer.epoch } };
}

/**
 * The verdict on a connection; `accepted` is that of one which is genuine. On an offer of v2 it sets `handshake`. An unknown
 * instance has credentials that nobody knows, so it takes as long as a wrong token.
 */
export function verdictOf(shown: Shown, credentials: Credentials, protocols: readonly number[], random: Random): Verdict {
  const { auth, handshake, proof } = shown;
  if (auth === null) return { verdict: 'foreign' };
  const sameInstance = isSame(auth.instanceId, credentials.instanceId);
  if (handshake !== null) {
    const expected = agentProof(handshake.key, credentials.instanceId, handshake.offer, handshake.terms);
    if (proof === null || !isSameProof(proof, expected) || !sameInstance) return { verdict: 'foreign' };
    return { verdict: 'genuine', by: handshake.offer.epoch === null ? 'token' : 'key' };
  }
  const { offer } = auth;
  if (offer !== undefined) {
    const protocol = protocols.filter(each => each > 1 && offer.protocols.includes(each)).at(-1);
    if (protocol === undefined) return { verdict: 'unspoken' };
    shown.handshake = begin(offer, protocol, credentials, random);
    return { verdict: shown.handshake === null ? 'foreign' : 'unproven' };
  }
  const sameToken = isSame(auth.token, credentials.token);
  if (!sameInstance || !sameToken) return { verdict: 'foreign' };
  if (!protocols.includes(1)) return { verdict: 'unspoken' };
  return credentials.version === 2 ? { verdict: 'foreign' } : { verdict: 'genuine', by: 'v1' };
}

/** The host's proof to the agent. */
export const challengeOf = ({ offer, terms, key }: Handshake, instanceId: string): Challenge => ({
  ...terms,
  proof: hostProof(key, instanceId, offer, terms),
});

/**
 * A session of this handshake is open: its epoch is the running one. Returns what the epoch goes on with. Null: the session is one
 * of v1.
 */
export function accept(credentials: Credentials, handshake: Handshake | null): Continuity | null {
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
