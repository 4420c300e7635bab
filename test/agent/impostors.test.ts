// Programs that have taken the port of the host of an agent of wire v2: they learn nothing, the agent does not believe them, and it
// goes on to try until it finds its host.
import { once } from 'node:events';
import { expect, test } from 'vitest';
import type { AuthResponse, Offer } from '../../src/protocol/message.ts';
import * as v1 from '../../src/protocol/v1/messages.ts';
import { agentProof, hostProof, resumeKey } from '../../src/protocol/v2/proof.ts';
import { nonce } from '../situations/prover.ts';
import { encodingsOf } from '../situations/relay.ts';
import type { HandPeer } from '../situations/world.ts';
import { openHost, openHostWith } from './host.ts';

const TOKEN = 'a token of thirty-two characters';
const instanceId = `by-hand-${process.pid}`;
const v2 = { SPEARLET_PROTOCOLS: '1,2', SPEARLET_TOKEN: TOKEN };

const respond = (peer: HandPeer, response: Partial<AuthResponse>): void =>
  peer.send('AuthResponse', 1, v1.encodeAuthResponse({ success: false, errorMessage: null, sessionId: null, ...response }));

const requestsOf = ({ received }: HandPeer) =>
  received.filter(({ type }) => type === 'AuthRequest').map(({ payload }) => v1.decodeAuthRequest(Buffer.from(payload)));

const impostors: [string, (peer: HandPeer, offer: Offer) => void][] = [
  ['admits the agent at once', peer => respond(peer, { success: true, sessionId: 's' })],
  ['makes up a challenge', peer => respond(peer, { challenge: { protocol: 2, nonce: nonce(), proof: nonce(), epoch: 1 } })],
  [
    'sends the nonce of the agent back, as nonce and as proof',
    (peer, offer) => respond(peer, { challenge: { protocol: 2, nonce: offer.nonce, proof: offer.nonce, epoch: 1 } }),
  ],
  [
    'proves itself with another key',
    (peer, offer) => {
      const terms = { protocol: 2, nonce: nonce(), epoch: 1 };
      respond(peer, { challenge: { ...terms, proof: hostProof('', instanceId, offer, terms) } });
    },
  ],
  [
    'chooses wire v1 with a proof that would be right',
    (peer, offer) => {
      const terms = { protocol: 1, nonce: nonce(), epoch: 1 };
      respond(peer, { challenge: { ...terms, proof: hostProof(TOKEN, instanceId, offer, terms) } });
    },
  ],
  [
    'sends a proof of the kind that agents send',
    (peer, offer) => {
      const terms = { protocol: 2, nonce: nonce(), epoch: 1 };
      respond(peer, { challenge: { ...terms, proof: agentProof(TOKEN, instanceId, offer, terms) } });
    },
  ],
];

test('an agent does not believe impostors, tells them nothing, and then finds its host', async () => {
  const host = await openHostWith(v2, 'everyday.js');
  for (const [name, deceive] of impostors) {
    const peer = await host.connection();
    const [{ offer, token }] = requestsOf(peer) as [ReturnType<typeof requestsOf>[number]];
    deceive(peer, offer!);
    await peer.closed;
    const said = peer.received.map(({ type, payload }) => (type === 'Error' ? JSON.parse(String(payload)).code : type));
    expect({ name, token, said }).toEqual({ name, token: '', said: ['AuthRequest', 'AUTH_REFUSED'] });
    expect({ name, found: peer.received.flatMap(({ payload }) => encodingsOf(Buffer.from(TOKEN), payload)) }).toEqual({ name, found: [] });
  }
  const nonces = new Set<string>();
  /** The next offer of the agent. */
  const offered = async () => {
    const peer = await host.connection();
    const { offer } = requestsOf(peer)[0]!;
    nonces.add(offer!.nonce);
    return { peer, offer: offer! };
  };
  const { peer, offer } = await offered();
  const terms = { protocol: 2, nonce: nonce(), epoch: 1 };
  respond(peer, { challenge: { ...terms, proof: hostProof(TOKEN, instanceId, offer, terms) } });
  await peer.next('AuthRequest');
  expect(requestsOf(peer)[1]!.proof).toBe(agentProof(TOKEN, instanceId, offer, terms));
  // From here on the agent speaks v2, which the peer does not read.
  peer.socket.removeAllListeners('data');
  const first = once(peer.socket, 'data');
  respond(peer, { success: true, sessionId: 's' });
  await first;
  peer.close();
  // The agent resumes this epoch, with its key, in an offer of the same shape.
  const { peer: again, offer: resumed } = await offered();
  expect(resumed).toMatchObject({ epoch: 1, protocols: [1, 2] });
  const key = resumeKey(TOKEN, instanceId, offer, terms);
  const next = { protocol: 2, nonce: nonce(), epoch: 1 };
  // The token has done its work: a host that proves itself with it is not the host of this epoch.
  respond(again, { challenge: { ...next, proof: hostProof(TOKEN, instanceId, resumed, next) } });
  await again.closed;
  const { peer: last, offer: third } = await offered();
  respond(last, { challenge: { ...next, proof: hostProof(key, instanceId, third, next) } });
  await last.next('AuthRequest');
  expect(requestsOf(last)[1]!.proof).toBe(agentProof(key, instanceId, third, next));
  last.close();
  expect(nonces.size).toBe(3);
});

test('a host that states no versions, or wire v1 only, gets the AuthRequest of wire v1 with the token', async () => {
  for (const environment of [null, { SPEARLET_PROTOCOLS: '1' }]) {
    const host = environment === null ? await openHost('everyday.js') : await openHostWith(environment, 'everyday.js');
    const peer = await host.connection();
    const text = String(peer.received[0]!.payload);
    expect(text).toBe(`{"instance_id":"${instanceId}","token":"token","client_version":"1.0.0","features":["input"]}`);
  }
});
