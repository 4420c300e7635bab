// Several instances, and commands against them in random order, judged by a reference model. `npm test` runs the same scenarios each
// time, so that only a change of the code makes it fail; RUNS=2000 runs new ones. A failure prints how to run it again.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Scenario, scenarios } from './commands.ts';
import { runScenario } from './interleavings.ts';

const seed = Number(process.env.SEED ?? (process.env.RUNS === undefined ? 7 : Math.floor(Math.random() * 2 ** 31)));
const path = process.env.PATH_;
const numRuns = Number(process.env.RUNS ?? 40);

test(
  'for commands in any order each execution ends once, with an outcome that the reference allows, and nothing is left',
  async () => {
    console.info(`interleavings: ${numRuns} runs, SEED=${seed}`);
    const ends: Record<string, number> = {};
    let fault: string | null = null;
    const done = await fc.check(
      fc.asyncProperty(scenarios, async (scenario: Scenario) => {
        const result = await runScenario(scenario);
        for (const each of result.ends) ends[each] = (ends[each] ?? 0) + 1;
        if (result.fault !== null) throw new Error(result.fault, { cause: result.done });
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
        'to run it again:',
        `  SEED=${done.seed} PATH_=${done.counterexamplePath} npx vitest run test/model/interleavings.test.ts`,
      ].join('\n');
    }
    console.info(`interleavings: ends of executions and of programs: ${JSON.stringify(ends)}`);
    expect(fault, fault ?? '').toBeNull();
  },
  Number(process.env.LIMIT ?? 24 * 3_600_000),
);
