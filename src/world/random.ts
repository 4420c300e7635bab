// Randomness behind a small interface, and the real source.
import { randomBytes, randomUUID } from 'node:crypto';

export interface Random {
  /** 0 ≤ x < 1, for jitter. */
  fraction(): number;
  /** 256 unpredictable bits as text. */
  token(): string;
  /** A unique name. */
  id(): string;
}

export const realRandom: Random = {
  fraction: () => Math.random(),
  token: () => randomBytes(32).toString('base64url'),
  id: () => randomUUID(),
};

/** Random hexadecimal digits of an id. The id of an instance is also the cookie of its processes, so no two hosts may share one. */
const ID_DIGITS = 16;

/** An id that begins with a name, of letters that a file name, a log and an environment variable can have. */
export const idFor = (name: string, random: Pick<Random, 'id'>): string =>
  `${name.replaceAll(/[^\w.-]/g, '-')}-${random.id().replaceAll('-', '').slice(0, ID_DIGITS)}`;
