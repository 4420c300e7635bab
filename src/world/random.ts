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
