// The fields of wire v2 in the AuthRequest and AuthResponse of v1: whole, or not there.
import { describe, expect, test } from 'vitest';
import { challengeFields, offerFields, readChallenge, readOffer } from '../../src/protocol/v1/extra-fields.ts';

const hex = 'ab'.repeat(32);
const texts = (names: readonly string[], fields: Record<string, unknown>) =>
  names.map(name => (name in fields ? JSON.stringify(fields[name]) : null));

describe('a challenge', () => {
  const challenge = { protocol: 2, nonce: hex, proof: hex, epoch: 7 };
  const read = (fields: Record<string, unknown>) => readChallenge(texts(challengeFields, fields));

  test('is read where every field is as it should be', () => {
    expect(read(challenge)).toEqual({ challenge });
    expect(readChallenge(challengeFields.map(() => null))).toEqual({});
  });

  test.each([
    ['protocol', '2'],
    ['protocol', -1],
    ['protocol', 1.5],
    ['nonce', hex.slice(1)],
    ['nonce', `${hex}a`],
    ['nonce', hex.toUpperCase()],
    ['nonce', 7],
    ['proof', 'g'.repeat(64)],
    ['epoch', null],
  ])('is none with %s %j, or without it', (name, value) => {
    expect(read({ ...challenge, [name]: value })).toEqual({});
    const { [name]: _, ...rest } = challenge as Record<string, unknown>;
    expect(read(rest)).toEqual({});
  });

  test('may be replaced by the versions that the host speaks', () => {
    expect(read({ protocols: [1, 2] })).toEqual({ protocols: [1, 2] });
    expect(read({ protocols: [1, '2'] })).toEqual({});
    expect(read({ protocols: Array(64).fill(1) })).toEqual({ protocols: Array(64).fill(1) });
    expect(read({ protocols: Array(65).fill(1) })).toEqual({});
  });
});

describe('an offer', () => {
  const offer = { protocols: [1, 2], nonce: hex, features: ['a-1'], epoch: null };
  const read = (fields: Record<string, unknown>) => readOffer(texts(offerFields, fields));

  test('is read with its epoch or without, and a proof alone', () => {
    expect(read({ protocols: [1, 2], nonce: hex, features: ['a-1'] })).toEqual({ offer });
    expect(read({ ...offer, epoch: 7 })).toEqual({ offer: { ...offer, epoch: 7 } });
    expect(read({ ...offer, epoch: 'x' })).toEqual({ offer });
    expect(read({ proof: hex })).toEqual({ proof: hex });
    expect(readOffer(offerFields.map(() => null))).toEqual({});
  });

  test.each([
    ['protocols', 1],
    ['protocols', [1.5]],
    ['nonce', hex.slice(2)],
    ['features', 'a'],
    ['features', ['a,b']],
    ['features', ['']],
    ['features', ['a'.repeat(65)]],
    ['features', Array(65).fill('a')],
  ])('is none with %s %j', (name, value) => {
    expect(read({ ...offer, [name]: value })).toEqual({});
  });

  test('a field that is no JSON counts as missing', () => {
    expect(readOffer(['[1]', `"${hex}"`, '[]', null, '{'])).toEqual({ offer: { protocols: [1], nonce: hex, features: [], epoch: null } });
    expect(readOffer(['[1', `"${hex}"`, '[]', null, null])).toEqual({});
  });
});
