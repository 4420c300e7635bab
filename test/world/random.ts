// Chance from a seed: the same seed draws the same again. It is no secret of any kind.
import type { Random } from '../../src/world/random.ts';

export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  let made = 0;
  // mulberry32
  const fraction = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const word = (): string =>
    Math.floor(fraction() * 2 ** 32)
      .toString(16)
      .padStart(8, '0');
  return {
    fraction,
    token: () => Array.from({ length: 8 }, word).join(''),
    id: () => `${word()}-${(made += 1)}`,
  };
}
