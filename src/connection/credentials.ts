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

/** What a connection has shown so far. */
export interface Shown {
  readonly auth: AuthRequest | null;
  handshake: Handshake | null;
  readonly proof: string | null;
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Compares digests, so that neither a length nor a place of difference shows in the time it takes. */
const isSame = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b));

/** Counts the epochs of all instances: a count for each would show whether an instance exists. */
export function createEpochs(): () => number {
  let offered = 0;
  return () => {
    offered += 1;
    return offered;
  };
}

/** What the host decides with, for all instances. */
export interface Terms {
  /** The versions of the wire that the host speaks, the highest last. */
  readonly protocols: readonly number[];
  readonly random: Random;
  epochs(): number;
}

const nonceOf = (random: Random): string => digest(random.token()).toString('hex');

/** Chooses the version and the key of a handshake. Null: the epoch that the agent wants to resume is not the running one. */
function begin(offer: Offer, protocol: number, credentials: Credentials, { random, epochs }: Terms): Handshake | null {
  const nonce = nonceOf(random);
  if (offer.epoch === null) return { offer, key: credentials.token, terms: { protocol, nonce, epoch: epochs() } };
  if (offer.epoch !== credentials.epoch || credentials.resumeKey === null) return null;
  return { offer, key: credentials.resumeKey, terms: { protocol, nonce, epoch: offer.epoch } };
}

/** Neither a newer epoch nor another incarnation has begun since the host has sent its challenge. */
const isCurrent = ({ offer, terms, key }: Handshake, { token, epoch, resumeKey }: Credentials): boolean =>
  offer.epoch === null ? key === token && terms.epoch > epoch : key === resumeKey;

const unspoken = (agent: readonly number[], host: readonly number[]): Verdict => ({
  verdict: 'unspoken',
  message: `the agent speaks wire ${agent.join(', ')}, this host ${host.join(', ')}`,
});

/**
 * The verdict on a connection; `accepted` is that of one which is genuine. On an offer of v2 it sets `handshake`. An unknown
 * instance has credentials that nobody knows, so it takes as long as a wrong token.
 */
export function verdictOf(shown: Shown, credentials: Credentials, common: Terms): Verdict {
  const { auth, handshake, proof } = shown;
  if (auth === null) return { verdict: 'foreign' };
  const sameInstance = isSame(auth.instanceId, credentials.instanceId);
  if (handshake !== null) {
    const expected = agentProof(handshake.key, credentials.instanceId, handshake.offer, handshake.terms);
    const isProven = proof !== null && isSameProof(proof, expected);
    if (!isProven || !sameInstance || !isCurrent(handshake, credentials)) return { verdict: 'foreign' };
    return { verdict: 'genuine', by: handshake.offer.epoch === null ? 'token' : 'key' };
  }
  const { offer } = auth;
  if (offer !== undefined) {
    const protocol = common.protocols.filter(each => each > 1 && offer.protocols.includes(each)).at(-1);
    if (protocol === undefined) return unspoken(offer.protocols, common.protocols);
    shown.handshake = begin(offer, protocol, credentials, common);
    return { verdict: shown.handshake === null ? 'foreign' : 'unproven' };
  }
  const sameToken = isSame(auth.token, credentials.token);
  if (!sameInstance || !sameToken) return { verdict: 'foreign' };
  if (!common.protocols.includes(1)) return unspoken([1], common.protocols);
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
