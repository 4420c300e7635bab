// The proofs of a handshake of wire v2: HMAC-SHA256 over what both ends have said, with the token or a resume key as the key.
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Challenge, Offer } from '../message.ts';

/** The token of an incarnation, or the resume key of an epoch. */
export type Key = string | Buffer;

/** The part of a challenge that is chosen before its proof. */
export type ChallengeTerms = Omit<Challenge, 'proof'>;

const SEPARATOR = '\n';

/** Every value that both ends have to agree on. The instance id may hold any text, so it comes last. */
function transcript(purpose: string, instanceId: string, offer: Offer, { protocol, nonce, epoch }: ChallengeTerms): string {
  const { protocols, features } = offer;
  return [`spearlet ${purpose}`, protocols.join(), features.join(), protocol, offer.nonce, nonce, epoch, instanceId].join(SEPARATOR);
}

const mac = (key: Key, text: string): Buffer => createHmac('sha256', key).update(text, 'utf8').digest();

export const hostProof = (key: Key, instanceId: string, offer: Offer, terms: ChallengeTerms): string =>
  mac(key, transcript('host', instanceId, offer, terms)).toString('hex');

export const agentProof = (key: Key, instanceId: string, offer: Offer, terms: ChallengeTerms): string =>
  mac(key, transcript('agent', instanceId, offer, terms)).toString('hex');

/** The key with which the agent resumes the epoch of this handshake. It is never sent. */
export const resumeKey = (key: Key, instanceId: string, offer: Offer, terms: ChallengeTerms): Buffer =>
  mac(key, transcript('resume', instanceId, offer, terms));

/** Compares two proofs in constant time. Both are 64 hex digits. */
export const isSameProof = (a: string, b: string): boolean => timingSafeEqual(Buffer.from(a), Buffer.from(b));
