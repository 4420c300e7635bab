// The fields that the ends of wire v2 add to the AuthRequest and AuthResponse of v1. An end that knows only v1 ignores them.
import type { AuthRequest, AuthResponse, Challenge } from '../message.ts';

/** The JSON texts of extra fields; null where a field is missing. */
export type Extras = readonly (string | null)[];

export const offerFields = ['protocols', 'nonce', 'features', 'epoch', 'proof'] as const;
export const challengeFields = ['protocols', 'protocol', 'nonce', 'proof', 'epoch'] as const;

const HEX = /^[0-9a-f]{64}$/;
/** Without a comma or a line break, which would make two lists the same text in a proof. */
const NAME = /^[a-z0-9-]{1,64}$/;
/** The longest list of versions or features that is read. */
const MAX_LIST = 64;

export function parseExtra(text: string | null | undefined): unknown {
  try {
    return text == null ? undefined : JSON.parse(text);
  } catch {
    // JSON.parse refuses some texts that serde ignores. No field of spearlet is such a text.
    return undefined;
  }
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isHex = (value: unknown): value is string => typeof value === 'string' && HEX.test(value);
const isList = <T>(value: unknown, of: (each: unknown) => each is T): value is T[] =>
  Array.isArray(value) && value.length <= MAX_LIST && value.every(of);
/** No separator of a transcript can be part of a name. */
const isName = (value: unknown): value is string => typeof value === 'string' && NAME.test(value);

/** Fields that are not as docs/protocol.md says are ignored, as v1 ignores unknown fields. */
export function readOffer(extras: Extras): Pick<AuthRequest, 'offer' | 'proof' | 'features'> {
  if (extras.every(each => each === null)) return {};
  const [protocols, nonce, features, epoch, proof] = extras.map(parseExtra);
  if (isHex(proof)) return { proof };
  if (!isList(features, isName)) return {};
  if (protocols === undefined && nonce === undefined) return { features };
  if (!isList(protocols, isCount) || !isHex(nonce)) return {};
  return { offer: { protocols, nonce, features, epoch: isCount(epoch) ? epoch : null } };
}

export function readChallenge(extras: Extras): Pick<AuthResponse, 'challenge' | 'protocols'> {
  if (extras.every(each => each === null)) return {};
  const [protocols, protocol, nonce, proof, epoch] = extras.map(parseExtra);
  if (isCount(protocol) && isHex(nonce) && isHex(proof) && isCount(epoch)) return { challenge: { protocol, nonce, proof, epoch } };
  return isList(protocols, isCount) ? { protocols } : {};
}

const more = (fields: object): string => JSON.stringify(fields).replace(/^\{(.*)\}$/, ',$1');

export function writeOffer({ offer, proof, features: ofV1 }: Pick<AuthRequest, 'offer' | 'proof' | 'features'>): string {
  if (proof !== undefined) return more({ proof });
  if (offer === undefined) return ofV1 === undefined ? '' : more({ features: ofV1 });
  const { protocols, nonce, features, epoch } = offer;
  return more(epoch === null ? { protocols, nonce, features } : { protocols, nonce, features, epoch });
}

export function writeChallenge({ challenge, protocols }: { challenge?: Challenge; protocols?: readonly number[] }): string {
  if (challenge !== undefined) return more(challenge);
  return protocols === undefined ? '' : more({ protocols });
}
