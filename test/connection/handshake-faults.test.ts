// The handshake of wire v2 between the agent's side and the host's, without a network: what is lost, replayed or forged.
import { expect, test } from 'vitest';
import { createAuthentication } from '../../src/agent/authentication.ts';
import { clock, nonce } from '../../src/agent/clock.ts';
import { type Shown, verdictOf } from '../../src/connection/authenticate.ts';
import { challengeOf, newCredentials, openEpoch } from '../../src/connection/credentials.ts';
import type { AuthRequest, AuthResponse } from '../../src/protocol/message.ts';
import { decodeAuthRequest, decodeMessage, HEADER_BYTES } from '../../src/protocol/v1/messages.ts';
import { seededRandom } from '../world/random.ts';

const INSTANCE = 'worker-1';
const TOKEN = '5eed'.repeat(16);
const PROTOCOLS = [1, 2];
const answer = { success: false, errorMessage: null, sessionId: null };

const read = (frame: Buffer): AuthRequest => decodeAuthRequest(decodeMessage(Buffer.from(frame.subarray(HEADER_BYTES))).payload);

function open(token = TOKEN) {
  const credentials = newCredentials(INSTANCE, TOKEN);
  const random = seededRandom(1);
  const endpoint = {
    address: { kind: 'tcp', host: '127.0.0.1', port: 1 } as const,
    token,
    instanceId: INSTANCE,
    silence: 30_000,
    giveUp: 30_000,
    maxFrameBytes: 1_000,
    protocols: PROTOCOLS,
  };
  const agent = createAuthentication(endpoint, clock, nonce);
  let epochs = 0;
  const common = { protocols: PROTOCOLS, random, epochs: () => (epochs += 1) };
  const verdict = (shown: Shown) => verdictOf(shown, credentials, common);

  /** A connection up to the proof of the agent. `forge` changes the challenge of the host. */
  const prove = (forge = (response: AuthResponse): AuthResponse => response) => {
    const attempt = agent.begin();
    const shown: Shown = { auth: read(attempt.first), handshake: null, proof: null };
    const first = verdict(shown);
    if (shown.handshake === null) return { attempt, shown, first, reply: null, proof: null };
    const reply = attempt.answer(forge({ ...answer, challenge: challengeOf(shown.handshake, INSTANCE) }));
    const proof = reply.type === 'reply' ? read(reply.message).proof! : null;
    return { attempt, shown, first, reply, proof };
  };
  /** A whole connection. `isAnswerLost`: the AuthResponse with success does not reach the agent. */
  const connect = (isAnswerLost = false) => {
    const { attempt, shown, proof } = prove();
    const judged = verdict({ ...shown, proof });
    if (judged.verdict !== 'authenticated') return judged;
    openEpoch(credentials, shown.handshake);
    if (!isAnswerLost) expect(attempt.answer({ ...answer, success: true })).toMatchObject({ type: 'accepted' });
    return { ...judged, epoch: credentials.epoch };
  };
  return { credentials, prove, connect, verdict };
}

test('the agent proves itself with the token, and resumes its epoch with the resume key', () => {
  const { connect } = open();
  expect([connect(), connect(), connect()]).toEqual([
    { verdict: 'authenticated', by: 'token', epoch: 1 },
    { verdict: 'authenticated', by: 'key', epoch: 1 },
    { verdict: 'authenticated', by: 'key', epoch: 1 },
  ]);
});

test('an agent that the last AuthResponse does not reach proves itself again, with the token or with the resume key', () => {
  const { connect } = open();
  expect([connect(true), connect(true), connect()].map(each => 'by' in each && [each.by, 'epoch' in each && each.epoch])).toEqual([
    ['token', 1],
    ['token', 2],
    ['token', 3],
  ]);
  expect([connect(true), connect(true), connect()]).toEqual(Array(3).fill({ verdict: 'authenticated', by: 'key', epoch: 3 }));
});

test('neither the token nor a key is sent', () => {
  const { prove, connect } = open();
  connect();
  const { attempt, reply } = prove();
  const sent = Buffer.concat([attempt.first, reply?.type === 'reply' ? reply.message : Buffer.alloc(0)]);
  const payload = [...sent.toString('latin1').matchAll(/"payload":\[([\d,]+)\]/g)].map(([, bytes]) =>
    Buffer.from(bytes!.split(',').map(Number)),
  );
  expect(payload.length).toBe(2);
  expect(Buffer.concat([sent, ...payload]).includes(TOKEN)).toBe(false);
});

test('a wrong token is not believed, by the agent first', () => {
  const { prove, verdict } = open('0'.repeat(64));
  const { shown, reply, proof } = prove();
  expect([reply?.type, proof]).toEqual(['hostUnproven', null]);
  expect(verdict({ ...shown, proof: '0'.repeat(64) })).toEqual({ verdict: 'wrongCredentials' });
});

test.each<[string, Partial<NonNullable<AuthResponse['challenge']>>]>([
  ['another proof', { proof: '0'.repeat(64) }],
  ['another nonce', { nonce: '0'.repeat(64) }],
  ['another epoch', { epoch: 7 }],
  ['version 1', { protocol: 1 }],
  ['a version that was not offered', { protocol: 3 }],
])('an agent sends nothing to a host that shows %s', (_, forged) => {
  const { prove, connect } = open();
  const forge = (response: AuthResponse): AuthResponse => ({ ...response, challenge: { ...response.challenge!, ...forged } });
  expect(prove(forge).reply?.type).toBe('hostUnproven');
  connect();
  expect(prove(forge).reply?.type).toBe('hostUnproven');
});

test('a proof of an earlier handshake is refused, and so is an epoch that is not the running one', () => {
  const { prove, connect, verdict, credentials } = open();
  const { proof } = prove();
  const { shown } = prove();
  expect(verdict({ ...shown, proof })).toEqual({ verdict: 'wrongCredentials' });
  connect();
  credentials.epoch += 1;
  expect(prove().first).toEqual({ verdict: 'wrongCredentials' });
});

test('success without a challenge is not believed, and a second challenge is no reply', () => {
  const { prove } = open();
  expect(prove(() => ({ ...answer, success: true })).reply?.type).toBe('hostUnproven');
  const { attempt, shown } = prove();
  expect(attempt.answer({ ...answer, challenge: challengeOf(shown.handshake!, INSTANCE) }).type).not.toBe('reply');
});
