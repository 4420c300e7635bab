// Changes every transition, guard and delay of every chart in turn; a walk has to notice each mutant. `npm test` tries a sample,
// `npm run mutate` all of them. The instance chart has most mutants, so two test files, and processes, share them.
import { expect, test } from 'vitest';
import { all, instanceTrial, smallTrials, survivorsOf } from './hunt.ts';

const LIMIT = 1_800_000;

test.each(smallTrials)('a walk notices every mutant of the $id chart', async trial => expect(await survivorsOf(trial)).toEqual([]), LIMIT);

test(
  'a walk notices every mutant of the instance chart',
  async () => expect(await survivorsOf(instanceTrial, 0, all ? 2 : 1)).toEqual([]),
  LIMIT,
);
