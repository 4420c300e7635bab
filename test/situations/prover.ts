// The agent's end of a handshake of wire v2, step by step as a test wants it. It sends and reads frames of v1 until it is
// admitted after an offer, and frames of v2 from then on.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { AuthRequest, AuthResponse, Challenge, MessageType, Offer, SpearMessage } from '../../src/protocol/message.ts';
import * as v1 from '../../src/protocol/v1/messages.ts';
import { type Deliver, V2Decoder } from '../../src/protocol/v2/decoder.ts';
import { agentProof, hostProof, isSameProof, type Key, resumeKey } from '../../src/protocol/v2/proof.ts';
import * as v2 from '../../src/protocol/v2/types.ts';
import { Writer } from '../../src/protocol/v2/writer.ts';
import { type HandPeer, handPeer, readV1 } from './world.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** What a session of v2 leaves: with it the agent resumes the epoch. */
export interface Resumable {
  readonly epoch: number;
  readonly key: Key;
}

export interface Prover extends HandPeer {
  /** Sends the first AuthRequest. `resume`: it offers to resume that epoch, and proves itself with its key. */
  offer(environment: Environment, changes?: Partial<Offer & { instanceId: string }>, resume?: Resumable): Offer;
  /** Waits for the challenge. Throws where the host answers otherwise, or does not prove itself. */
  challenge(): Promise<Challenge>;
  /** The right proof for the challenge. */
  proof(challenge: Challenge): string;
  sendProof(proof: string): void;
  /** Without an offer before. */
  sendProofFor(environment: Environment, proof: string): void;
  /** The next AuthResponse. */
  authResponse(): Promise<AuthResponse>;
  /** Waits until it is admitted after this challenge. */
  welcomed(challenge: Challenge): Promise<Resumable>;
  /** Answers the challenge, and waits until it is admitted. It sends nothing on v2 by itself. */
  prove(): Promise<Resumable>;
  /** The first frame of v2: it confirms the session. The prover says that it has no counted message, so all come again. */
  confirm(): void;
}

export const nonce = (): string => randomBytes(32).toString('hex');

const names: Readonly<Record<number, MessageType>> = {
  [v2.REQUEST]: 'ExecuteRequest',
  [v2.CANCEL]: 'Signal',
  [v2.SIGNAL]: 'Signal',
  [v2.TERMINATE]: 'Signal',
  [v2.HEARTBEAT]: 'Heartbeat',
  [v2.ERROR]: 'Error',
};
/** `ExecuteResponse` is output without an end. */
const types: Readonly<Partial<Record<MessageType, number>>> = { ExecuteResponse: v2.OUTPUT, Heartbeat: v2.HEARTBEAT, Error: v2.ERROR };
const timestamp = { secs: 1, nanos: 0 };

export function proverOn(socket: Socket): Prover {
  let speaksV2 = false;
  let began: { offer: Offer; instanceId: string; key: Key } | null = null;

  const reading = (received: (message: SpearMessage) => void) => {
    const deliver: Deliver<null> = (_, type, _flags, requestId, buffer, from, to) => {
      const name = names[type];
      if (name !== undefined) received({ type: name, requestId, timestamp, payload: Buffer.from(buffer.subarray(from, to)) });
    };
    const second = new V2Decoder<null>(2 ** 26, null, () => {}, v2.fromHost, deliver);
    const first = readV1(message => {
      received(message);
      if (began === null || message.type !== 'AuthResponse' || !v1.decodeAuthResponse(Buffer.from(message.payload)).success) return;
      speaksV2 = true;
      first.pause();
    });
    return {
      push(chunk: Buffer) {
        if (!speaksV2) first.push(chunk);
        else second.push(chunk);
        for (const rest of first.rest()) second.push(rest);
      },
    };
  };
  const peer = handPeer(socket, reading);

  const authRequest = (requestId: number, instanceId: string, more: Pick<AuthRequest, 'offer' | 'proof'>): void =>
    peer.send('AuthRequest', requestId, v1.encodeAuthRequest({ instanceId, token: '', clientVersion: '1.0.0', ...more }));

  const prover: Prover = Object.assign(Object.create(peer) as HandPeer, {
    send(type: MessageType, requestId: number | bigint, payload: string | Uint8Array) {
      if (!speaksV2) return peer.send(type, requestId, payload);
      const bytes = Buffer.from(payload as string);
      socket.write(new Writer(types[type]!, 0, Number(requestId), bytes.length).bytes(bytes).frame());
    },
    offer(environment: Environment, changes: Partial<Offer & { instanceId: string }> = {}, resume?: Resumable) {
      const { instanceId = environment.SPEARLET_INSTANCE_ID!, ...others } = changes;
      const offer: Offer = { protocols: [1, 2], nonce: nonce(), features: [], epoch: resume?.epoch ?? null, ...others };
      began = { offer, instanceId, key: resume?.key ?? environment.SPEARLET_TOKEN! };
      authRequest(1, instanceId, { offer });
      return offer;
    },
    async authResponse() {
      return v1.decodeAuthResponse(Buffer.from((await peer.next('AuthResponse')).payload));
    },
    async challenge() {
      const { challenge, errorMessage } = await prover.authResponse();
      if (challenge === undefined) throw new Error(`refused: ${errorMessage}`);
      if (!isSameProof(challenge.proof, hostProof(began!.key, began!.instanceId, began!.offer, challenge)))
        throw new Error('the host did not prove itself');
      return challenge;
    },
    proof: (challenge: Challenge) => agentProof(began!.key, began!.instanceId, began!.offer, challenge),
    sendProof: (proof: string) => authRequest(2, began!.instanceId, { proof }),
    sendProofFor: (environment: Environment, proof: string) => authRequest(2, environment.SPEARLET_INSTANCE_ID!, { proof }),
    confirm: () => void socket.write(new Writer(v2.RESUME, 0, 0, 8).u64(0).frame()),
    async prove() {
      const challenge = await prover.challenge();
      prover.sendProof(prover.proof(challenge));
      return prover.welcomed(challenge);
    },
    async welcomed(challenge: Challenge) {
      const { success, errorMessage } = await prover.authResponse();
      if (!success) throw new Error(`refused: ${errorMessage}`);
      const { offer, instanceId, key } = began!;
      // A resumed epoch keeps its key.
      return { epoch: challenge.epoch, key: offer.epoch === null ? resumeKey(key, instanceId, offer, challenge) : key };
    },
  });
  return prover;
}

export async function dialProver(address: string): Promise<Prover> {
  const [host, port] = address.split(':');
  const socket = connect({ host: host!, port: Number(port) });
  const prover = proverOn(socket);
  await once(socket, 'connect');
  return prover;
}

/** Connects, authenticates with a proof, and confirms the session as an agent does. */
export async function proveAs(environment: Environment, resume?: Resumable): Promise<Prover & { readonly resumable: Resumable }> {
  const prover = await dialProver(environment.SPEARLET_ADDR!);
  prover.offer(environment, {}, resume);
  const resumable = await prover.prove();
  prover.confirm();
  return Object.assign(prover, { resumable });
}
