// Handshakes by the thousand on the simulated network: cuts and silence at every byte of both directions, agents that are
// restarted, and impostors. `HANDSHAKES=100000 SEED=1` tries more of them; a finding is told again by its seed.
import { afterEach, expect, test, vi } from 'vitest';
import { tell } from './handshakes.ts';

const COUNT = Number(process.env.HANDSHAKES ?? 100);
afterEach(() => void vi.restoreAllMocks());

const SEED = Number(process.env.SEED ?? 1);

test(
  `in ${COUNT} stories of handshakes every genuine agent gets a session, never two, and an impostor none`,
  async () => {
    // XState warns in development builds where an actor has stopped before an event arrives.
    vi.spyOn(console, 'warn').mockReturnValue();
    let restarts = 0;
    let sessions = 0;
    let longest = 0;
    const kinds: Record<string, number> = {};
    const findings: { seed: number; finding: string; log: readonly string[] }[] = [];
    for (let seed = SEED; seed < SEED + COUNT && findings.length < 5; seed += 1) {
      const story = await tell(seed);
      if (story.finding !== null) findings.push({ seed, finding: story.finding, log: story.log });
      restarts += story.restarts;
      sessions += story.sessions;
      longest = Math.max(longest, story.took);
      for (const { kind } of story.faults) kinds[kind] = (kinds[kind] ?? 0) + 1;
    }
    console.info(`handshakes: ${JSON.stringify({ stories: COUNT, sessions, restarts, longest: Math.round(longest), faults: kinds })}`);
    expect(findings).toEqual([]);
  },
  60_000 + COUNT * 200,
);
