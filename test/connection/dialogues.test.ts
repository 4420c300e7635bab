// Sessions of wire v2 by the dozen on the simulated network, over connections that break at every byte. `DIALOGUES=1 SEED=n` tells
// the story of a finding again.
import { afterEach, expect, test, vi } from 'vitest';
import { tellStories } from './dialogue-stories.ts';

const COUNT = Number(process.env.DIALOGUES ?? 8);
const SEED = Number(process.env.SEED ?? 1);
afterEach(() => void vi.restoreAllMocks());

test(
  `in ${COUNT} dialogues over breaking connections nothing is lost, repeated or executed twice, and nothing hangs`,
  async () => {
    // XState warns in development builds where an actor has stopped before an event arrives.
    vi.spyOn(console, 'warn').mockReturnValue();
    const { figures, findings } = await tellStories(SEED, COUNT);
    console.info(`dialogues: ${JSON.stringify(figures)}`);
    expect(findings).toEqual([]);
  },
  60_000 + COUNT * 2_000,
);
