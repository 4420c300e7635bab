// The handshake of wire v2 without a network: the verdict of the host on what an agent shows, and what the agent makes of the
// answers.
import { expect, test } from 'vitest';
import type { Verdict } from '../../machines/connection.ts';
import { type Attempt, createAuthentication } from '../../src/agent/authentication.ts';
import { createEpochs, type Shown, verdictOf } from '../../src/connection/authenticate.ts';
import { challengeOf, newCredentials, openEpoch } from '../../src/connection/credentials.ts';
import type { AuthRequest, AuthResponse } from '../../src/protocol/message.ts';
import { decodeAuthRequest, decodeMessage, encodeAuthRequest } from '../../src/protocol/v1/messages.ts';
import { realClock } from '../../src/world/clock.ts';
import { nonce } from '../situations/prover.ts';
import { seededRandom } from '../world/random.ts';

const random = seededRandom(1);
const TOKEN = 'the token';
const endpoint = {
  address: { kind: 'tcp', host: '127.0.0.1', port: 1 } as const,
  instanceId: 'me',
  token: TOKEN,
  protocols: [1, 2],
  silence: 30_000,
  giveUp: 30_000,
  maxFrameBytes: 2 ** 20,
};
const success: AuthResponse = { success: true, errorMessage: null, sessionId: 's' };

const read = (frame: Buffer): AuthRequest => decodeAuthRequest(decodeMessage(Buffer.from(frame.subarray(8))).payload);

/** A host whose connections a test judges one by one. */
function openHost(credentials = newCredentials('me', TOKEN)) {
  const epochs = createEpochs();
  return {
    credentials,
    begin(auth: AuthRequest) {
      const shown: { -readonly [key in keyof Shown]: Shown[key] } = { auth, handshake: null, proof: null };
      const verdict = (by = credentials): Verdict => verdictOf(shown, by, { protocols: [1, 2], random, epochs });
      return {
        shown,
        verdict,
        /** The challenge, as the agent gets it. */
        challenge(): AuthResponse {
          expect(verdict()).toEqual({ verdict: 'challenged' });
          return { success: false, errorMessage: null, sessionId: null, challenge: challengeOf(shown.handshake!, auth.instanceId) };
        },
        openEpoch: () => openEpoch(credentials, shown.handshake),
      };
    },
  };
}

/** The agent offers, the host challenges, and the agent's proof arrives. */
function prove(host: ReturnType<typeof openHost>, attempt: Attempt) {
  const connection = host.begin(read(attempt.first));
  const reply = attempt.answer(connection.challenge());
  if (reply.type !== 'reply') throw new Error(`the agent says ${JSON.stringify(reply)}`);
  connection.shown.proof = read(reply.message).proof!;
  return connection;
}

test('a first handshake is by the token; the next ones resume the epoch by its key', () => {
  const host = openHost();
  const agent = createAuthentication(endpoint, realClock, nonce);
  const epochs = [];
  for (const by of ['token', 'key', 'key']) {
    const attempt = agent.begin();
    const connection = prove(host, attempt);
    expect(connection.verdict()).toEqual({ verdict: 'authenticated', by });
    connection.openEpoch();
    expect(attempt.answer(success)).toMatchObject({ type: 'accepted', codec: { version: 2 } });
    epochs.push(host.credentials.epoch);
  }
  expect(new Set(epochs).size).toBe(1);
});

test('after a lost AuthResponse the agent proves itself again: by the token at first, by the same key in an epoch', () => {
  const host = openHost();
  const agent = createAuthentication(endpoint, realClock, nonce);
  prove(host, agent.begin()).openEpoch();
  for (const by of ['token', 'key']) {
    const lost = prove(host, agent.begin());
    expect(lost.verdict()).toEqual({ verdict: 'authenticated', by });
    lost.openEpoch();
    const attempt = agent.begin();
    const again = prove(host, attempt);
    expect(again.verdict()).toEqual({ verdict: 'authenticated', by });
    again.openEpoch();
    attempt.answer(success);
  }
});

test('a proof that arrives after a newer epoch was opened is refused', () => {
  const host = openHost();
  const agent = createAuthentication(endpoint, realClock, nonce);
  const late = prove(host, agent.begin());
  const attempt = agent.begin();
  prove(host, attempt).openEpoch();
  attempt.answer(success);
  expect(late.verdict()).toEqual({ verdict: 'wrongCredentials' });
  const lateKey = prove(host, agent.begin());
  prove(host, createAuthentication(endpoint, realClock, nonce).begin()).openEpoch();
  expect(lateKey.verdict()).toEqual({ verdict: 'wrongCredentials' });
});

test('a proof by the token of the incarnation before is refused, also where that incarnation has challenged', () => {
  const host = openHost();
  const connection = prove(host, createAuthentication(endpoint, realClock, nonce).begin());
  expect(connection.verdict(newCredentials('me', 'the next token'))).toEqual({ verdict: 'wrongCredentials' });
  expect(connection.verdict()).toEqual({ verdict: 'authenticated', by: 'token' });
});

test('the epochs that are offered do not show whether an instance exists', () => {
  const host = openHost();
  const offer = () => read(createAuthentication(endpoint, realClock, nonce).begin().first);
  const epochOf = (credentials?: Parameters<ReturnType<typeof host.begin>['verdict']>[0]) => {
    const connection = host.begin(offer());
    connection.verdict(credentials);
    return connection.shown.handshake!.terms.epoch;
  };
  const unknown = () => newCredentials('me', random.token());
  expect([epochOf(), epochOf(unknown()), epochOf(), epochOf(unknown())]).toEqual([1, 2, 3, 4]);
});

test('an offer with a feature whose name could be read as two, or as another field, is ignored', () => {
  const { offer } = read(createAuthentication(endpoint, realClock, nonce).begin().first);
  const featuresOf = (features: string[]) =>
    decodeAuthRequest(Buffer.from(encodeAuthRequest({ instanceId: 'me', token: '', clientVersion: '1', offer: { ...offer!, features } })))
      .offer?.features;
  expect([['a', 'b-2'], ['a,b'], ['a\n2'], ['']].map(featuresOf)).toEqual([['a', 'b-2'], undefined, undefined, undefined]);
});
