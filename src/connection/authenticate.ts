// Decides whether a connection belongs to the program that was given the token: the effect `authenticate` of the connection chart.
import { createHash, timingSafeEqual } from 'node:crypto';
import { fromPromise } from 'xstate';
import type { ConnectionName, Verdict } from '../../machines/connection.ts';
import type { AuthRequest, Offer } from '../protocol/message.ts';
import { agentProof, isSameProof } from '../protocol/v2/proof.ts';
import type { Random } from '../world/random.ts';
import type { Connection } from './connection.ts';
import { type Credentials, type Handshake, newCredentials } from './credentials.ts';

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

/** What the host verifies with, for all instances. */
export interface VerifyContext {
  /** The versions of the wire that the host speaks, the highest last. */
  readonly protocols: readonly number[];
  readonly random: Random;
  epochs(): number;
}

const nonceOf = (random: Random): string => digest(random.token()).toString('hex');

/** Chooses the version and the key of a handshake. Null: the epoch that the agent wants to resume is not the running one. */
function beginHandshake(offer: Offer, protocol: number, credentials: Credentials, { random, epochs }: VerifyContext): Handshake | null {
  const nonce = nonceOf(random);
  if (offer.epoch === null) return { offer, key: credentials.token, terms: { protocol, nonce, epoch: epochs() } };
  if (offer.epoch !== credentials.epoch || credentials.resumeKey === null) return null;
  return { offer, key: credentials.resumeKey, terms: { protocol, nonce, epoch: offer.epoch } };
}

/** Neither a newer epoch nor another incarnation has begun since the host has sent its challenge. */
const isCurrent = ({ offer, terms, key }: Handshake, { token, epoch, resumeKey }: Credentials): boolean =>
  offer.epoch === null ? key === token && terms.epoch > epoch : key === resumeKey;

const noCommonVersion = (agent: readonly number[], host: readonly number[]): Verdict => ({
  verdict: 'noCommonVersion',
  message: `the agent speaks wire ${agent.join(', ')}, this host ${host.join(', ')}`,
});

/**
 * Decides whether a connection has shown that it belongs to the program with these credentials. For an offer of wire v2 it sets
 * `handshake`, which the host answers with a challenge.
 */
export function verdictOf(shown: Shown, credentials: Credentials, context: VerifyContext): Verdict {
  const { auth, handshake, proof } = shown;
  if (auth === null) return { verdict: 'wrongCredentials' };
  const sameInstance = isSame(auth.instanceId, credentials.instanceId);
  if (handshake !== null) {
    const expected = agentProof(handshake.key, credentials.instanceId, handshake.offer, handshake.terms);
    const isProven = proof !== null && isSameProof(proof, expected);
    if (!isProven || !sameInstance || !isCurrent(handshake, credentials)) return { verdict: 'wrongCredentials' };
    return { verdict: 'authenticated', by: handshake.offer.epoch === null ? 'token' : 'key' };
  }
  const { offer } = auth;
  if (offer !== undefined) {
    const protocol = context.protocols.filter(each => each > 1 && offer.protocols.includes(each)).at(-1);
    if (protocol === undefined) return noCommonVersion(offer.protocols, context.protocols);
    shown.handshake = beginHandshake(offer, protocol, credentials, context);
    return { verdict: shown.handshake === null ? 'wrongCredentials' : 'challenged' };
  }
  const sameToken = isSame(auth.token, credentials.token);
  if (!sameInstance || !sameToken) return { verdict: 'wrongCredentials' };
  if (!context.protocols.includes(1)) return noCommonVersion([1], context.protocols);
  return credentials.version === 2 ? { verdict: 'wrongCredentials' } : { verdict: 'authenticated', by: 'v1' };
}

export interface AuthenticateDeps {
  readonly random: Random;
  /** The versions of the wire that the host speaks, the highest last. */
  readonly protocols: readonly number[];
  connection(name: ConnectionName): Connection;
  /** The credentials of an instance. */
  credentials(instanceId: string): Credentials;
  /** Whether the shared listener routes connections to an instance of this id. */
  isRouted(instanceId: string): boolean;
}

export function authenticate({ random, protocols, connection: find, credentials, isRouted }: AuthenticateDeps) {
  const context = { protocols, random, epochs: createEpochs() };
  /** A token that no program has. Made once: a connection that names an unknown instance must not take longer. */
  let nobody: string | null = null;
  return fromPromise<Verdict, ConnectionName>(({ input }) => {
    const connection = find(input);
    const named = connection.auth?.instanceId ?? '';
    // At the shared listener the connection names its instance. One that is unknown is compared with credentials that nobody knows, and
    // takes as long.
    const isKnown = connection.instanceId !== null || isRouted(named);
    const expected = isKnown ? credentials(connection.instanceId ?? named) : newCredentials(named, (nobody ??= random.token()));
    const verdict = verdictOf(connection, expected, context);
    return Promise.resolve(verdict.verdict === 'authenticated' && connection.instanceId === null ? { verdict: 'routed' } : verdict);
  });
}
