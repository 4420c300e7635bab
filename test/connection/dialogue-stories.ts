// Many dialogues, one after the other, and the sum of their figures. As a program it tells them without a test runner, whose
// development build of XState is slow: `DIALOGUES=200 SEED=1 tsx test/connection/dialogue-stories.ts`.
import { pathToFileURL } from 'node:url';
import { tell } from './dialogues.ts';

const MAX_FINDINGS = 5;
const SHOWN = 20;

export async function tellStories(first: number, count: number) {
  const sum = { stories: 0, executions: 0, cuts: 0, readBytes: 0 };
  const outcomes: Record<string, number> = {};
  const findings: { seed: number; finding: string; log: readonly string[] }[] = [];
  for (let seed = first; seed < first + count && findings.length < MAX_FINDINGS; seed += 1) {
    const story = await tell(seed);
    if (story.finding !== null) {
      const { log } = await tell(seed, true);
      findings.push({ seed, finding: story.finding, log: count === 1 ? log : log.slice(-SHOWN) });
    }
    sum.stories += 1;
    sum.executions += story.executions;
    sum.cuts += story.cuts;
    sum.readBytes += story.readBytes;
    for (const [outcome, times] of Object.entries(story.outcomes)) outcomes[outcome] = (outcomes[outcome] ?? 0) + times;
  }
  return { figures: { ...sum, outcomes }, findings };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { figures, findings } = await tellStories(Number(process.env.SEED ?? 1), Number(process.env.DIALOGUES ?? 200));
  console.log(JSON.stringify({ figures, findings }));
}
