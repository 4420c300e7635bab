// How an agent authenticates: with its token on wire v1; on v2 both ends prove that they know it, and the token is never sent.
import type { AgentCodec } from '../protocol/codec.ts';
import { type AuthResponse, CLAIMED, type Offer } from '../protocol/message.ts';
import { createV1 } from '../protocol/v1/codec.ts';
import { createV2Agent } from '../protocol/v2/codec.ts';
import { agentProof, hostProof, isSameProof, type Key, resumeKey } from '../protocol/v2/proof.ts';
import type { Clock } from '../world/clock.ts';
import type { HostEndpoint } from './environment.ts';

const CLIENT_VERSION = '1.0.0';

export type AuthOutcome =
  | { readonly type: 'reply'; readonly message: Buffer }
  /** The session is open; its messages are of this version. Wire v2: of this epoch, which may be that of the last session. */
  | { readonly type: 'accepted'; readonly codec: AgentCodec; readonly epoch: number | null }
  | { readonly type: 'claimed' | 'refused' | 'hostUnproven'; readonly reason: string }
  | { readonly type: 'mismatch'; readonly hostVersions: readonly number[] };

/** An epoch, and the key that resumes it. */
interface Epoch {
  readonly number: number;
  readonly key: Key;
}

/** The authentication of one connection. */
export interface Attempt {
  /** The first message of the connection. */
  readonly first: Buffer;
  answer(response: AuthResponse): AuthOutcome;
}

export interface Authentication {
  /** What every connection speaks at first. */
  readonly handshakeCodec: AgentCodec;
  begin(): Attempt;
}

/** `nonce`: makes 32 random bytes as hex. */
export function createAuthentication(
  { instanceId, token, protocols }: Pick<HostEndpoint, 'instanceId' | 'token' | 'protocols'>,
  clock: Clock,
  nonce: () => string,
  features: readonly string[] = [],
): Authentication {
  const v1 = createV1(clock).agent;
  const v2 = createV2Agent(v1, instanceId);
  /** Of the last session of v2. */
  let epoch: Epoch | null = null;

  const refusal = ({ errorMessage, protocols: hostVersions }: AuthResponse): AuthOutcome => {
    if (hostVersions !== undefined) return { type: 'mismatch', hostVersions };
    return { type: errorMessage === CLAIMED ? 'claimed' : 'refused', reason: errorMessage ?? 'no reason' };
  };

  const byToken = (): Attempt => ({
    // On wire v2 every agent takes input.
    first: v1.authRequest(1, { instanceId, token, clientVersion: CLIENT_VERSION, features: [...features, 'input'] }),
    answer: response => (response.success ? { type: 'accepted', codec: v1, epoch: null } : refusal(response)),
  });

  const byProof = (): Attempt => {
    const key = epoch?.key ?? token;
    const offer: Offer = { protocols, nonce: nonce(), features, epoch: epoch?.number ?? null };
    let proven: Epoch | null = null;
    return {
      first: v1.authRequest(1, { instanceId, token: '', clientVersion: CLIENT_VERSION, offer }),
      answer(response) {
        const { success, challenge } = response;
        if (challenge !== undefined && !success && proven === null) {
          const isKnown = protocols.includes(challenge.protocol) && challenge.protocol > 1;
          // A program that has taken the port of the host learns nothing, and is not believed.
          const isOther = epoch !== null && epoch.number !== challenge.epoch;
          if (!isKnown || isOther || !isSameProof(challenge.proof, hostProof(key, instanceId, offer, challenge)))
            return { type: 'hostUnproven', reason: 'the program at this address did not prove that it is the host' };
          // A resumed epoch keeps its key: the answer to a proof may get lost.
          proven = epoch ?? { number: challenge.epoch, key: resumeKey(key, instanceId, offer, challenge) };
          const proof = agentProof(key, instanceId, offer, challenge);
          return { type: 'reply', message: v1.authRequest(2, { instanceId, token: '', clientVersion: CLIENT_VERSION, proof }) };
        }
        if (!success) return refusal(response);
        if (proven === null) return { type: 'hostUnproven', reason: 'the program at this address claims to be the host without a proof' };
        epoch = proven;
        return { type: 'accepted', codec: v2, epoch: proven.number };
      },
    };
  };

  return { handshakeCodec: v1, begin: () => (protocols.some(version => version > 1) ? byProof() : byToken()) };
}
