// The other half of the mutants of the instance chart, when all are tried: see mutants.test.ts.
import { expect, test } from 'vitest';
import { all, instanceTrial, survivorsOf } from './hunt.ts';

test.runIf(all)(
  'a walk notices every mutant of the instance chart (second half)',
  async () => expect(await survivorsOf(instanceTrial, 1, 2)).toEqual([]),
  1_800_000,
);
