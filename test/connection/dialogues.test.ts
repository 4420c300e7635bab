// Sessions of wire v2 by the hundred on the simulated network, over connections that break at every byte. `DIALOGUES=1 SEED=n` tells
// the story of a finding again.
import { afterEach, expect, test, vi } from 'vitest';
import { tell } from './dialogues.ts';

const COUNT = Number(process.env.DIALOGUES ?? 40);
const SEED = Number(process.env.SEED ?? 1);
afterEach(() => void vi.restoreAllMocks());

test(
  `in ${COUNT} dialogues over breaking connections nothing is lost, repeated or executed twice, and nothing hangs`,
  async () => {
    // XState warns in development builds where an actor has stopped before an event arrives.
    vi.spyOn(console, 'warn').mockReturnValue();
    const sum = { stories: COUNT, executions: 0, cuts: 0, readBytes: 0 };
    const outcomes: Record<string, number> = {};
    const findings: { seed: number; finding: string; log: readonly string[] }[] = [];
    for (let seed = SEED; seed < SEED + COUNT && findings.length < 5; seed += 1) {
      const story = await tell(seed);
      if (story.finding !== null) findings.push({ seed, finding: story.finding, log: COUNT === 1 ? story.log : story.log.slice(-20) });
      sum.executions += story.executions;
      sum.cuts += story.cuts;
      sum.readBytes += story.readBytes;
      for (const [outcome, count] of Object.entries(story.outcomes)) outcomes[outcome] = (outcomes[outcome] ?? 0) + count;
    }
    console.info(`dialogues: ${JSON.stringify({ ...sum, outcomes })}`);
    expect(findings).toEqual([]);
  },
  60_000 + COUNT * 500,
);
