// The numbers of wire v2, little-endian, and the error for what cannot be read.
import { SpearletError } from '../../errors.ts';

const MAX_HIGH = 2 ** 21;

export const fault = (message: string): SpearletError => new SpearletError('PROTOCOL_ERROR', message);

export const readU32 = (bytes: Buffer, at: number): number =>
  (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16)) + bytes[at + 3]! * 0x1000000;

/** Throws PROTOCOL_ERROR for a number that JavaScript cannot hold exactly. */
export function readU64(bytes: Buffer, at: number): number {
  const high = readU32(bytes, at + 4);
  if (high >= MAX_HIGH) throw fault('a number of 2^53 or more');
  return high * 2 ** 32 + readU32(bytes, at);
}
