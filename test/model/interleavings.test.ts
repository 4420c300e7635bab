// Several instances, many things that happen to them in random order, and one law for all of it. `npm test` tells the same
// stories each time, so that a change is what makes it fail; RUNS=2000 tells new ones. A failure prints how to see it again.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Story, stories } from './commands.ts';
import { tell } from './interleavings.ts';

const seed = Number(process.env.SEED ?? (process.env.RUNS === undefined ? 7 : Math.floor(Math.random() * 2 ** 31)));
const path = process.env.PATH_;
const numRuns = Number(process.env.RUNS ?? 60);

test(
  'whatever happens in whatever order: each execution ends once and as it must, and nothing is left',
  async () => {
    console.info(`interleavings: ${numRuns} runs, SEED=${seed}`);
    const ends: Record<string, number> = {};
    let fault: string | null = null;
    const done = await fc.check(
      fc.asyncProperty(stories, async (story: Story) => {
        const told = await tell(story);
        for (const each of told.ends) ends[each] = (ends[each] ?? 0) + 1;
        if (told.fault !== null) throw new Error(told.fault, { cause: told.done });
      }),
      { seed, numRuns, ...(path === undefined ? {} : { path, endOnFailure: true }) },
    );
    if (done.failed) {
      const error = done.errorInstance as Error;
      const steps = (error.cause as string[] | undefined) ?? [];
      fault = [
        error.message,
        `after ${done.numRuns} runs and ${done.numShrinks} shrinks:`,
        ...steps.map((step, i) => `  ${i + 1}. ${step}`),
        'to see it again:',
        `  SEED=${done.seed} PATH_=${done.counterexamplePath} npx vitest run test/model/interleavings.test.ts`,
      ].join('\n');
    }
    console.info(`interleavings: ends of executions and of programs: ${JSON.stringify(ends)}`);
    expect(fault, fault ?? '').toBeNull();
  },
  Number(process.env.LIMIT ?? 24 * 3_600_000),
);
