// The other half of the mutants of the instance, where all are tried: see mutants.test.ts.
import { expect, test } from 'vitest';
import { all, instanceTrial, survivorsOf } from './hunt.ts';

test.runIf(all)(
  'a walk notices what is changed of the instance machine (the other half)',
  async () => expect(await survivorsOf(instanceTrial, 1, 2)).toEqual([]),
  1_800_000,
);
