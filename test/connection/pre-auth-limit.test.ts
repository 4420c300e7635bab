// Which unauthenticated connection has to go when there are too many.
import { expect, test } from 'vitest';
import { acceptWithin } from '../../src/connection/pre-auth-limit.ts';

/** Connections in the order in which they came, with what they have shown. */
function open(...shown: object[]) {
  const evicted: number[] = [];
  let isClosed = false;
  const connections = shown.map((each, index) => ({
    auth: null,
    handshake: null,
    proof: null,
    sessionSince: null,
    channel: { over: false, end: () => void evicted.push(index) },
    ...each,
  }));
  const accepted = acceptWithin({ connections: () => connections as never, register: () => 'registered' as never, maxPending: () => 2 }, {
    close: () => void (isClosed = true),
  } as never);
  return { accepted, evicted, isClosed };
}
const taken = (...evicted: number[]) => ({ accepted: 'registered', evicted, isClosed: false });

const silent = {};
const withToken = { auth: {} };
const withOffer = { auth: {}, handshake: {} };
const withProof = { auth: {}, handshake: {}, proof: 'p' };

test('below the bound a connection is taken; sessions and ended connections do not count', () => {
  expect(open(silent)).toEqual(taken());
  expect(open(silent, { sessionSince: 0 }, { channel: { over: true } })).toEqual(taken());
});

test('at the bound the oldest that has shown neither a token nor a proof is evicted', () => {
  expect(open(silent, silent)).toEqual(taken(0));
  expect(open(withToken, silent)).toEqual(taken(1));
  expect(open(withProof, withOffer)).toEqual(taken(1));
  expect(open(withOffer, silent)).toEqual(taken(0));
});

test('where all have shown one, the new connection is refused', () => {
  expect(open(withToken, withProof)).toEqual({ accepted: null, evicted: [], isClosed: true });
});
