// Every transition, guard and delay of every machine is changed in turn, and a walk has to notice. `npm test` takes a
// sample, `npm run mutate` all of them, and reports those that survive. The instance has the most: they are shared out, so
// that two processes hunt them at once.
import { expect, test } from 'vitest';
import { all, instanceTrial, smallTrials, survivorsOf } from './hunt.ts';

const LIMIT = 1_800_000;

test.each(smallTrials)(
  'a walk notices what is changed of the $id machine',
  async trial => expect(await survivorsOf(trial)).toEqual([]),
  LIMIT,
);

test(
  'a walk notices what is changed of the instance machine',
  async () => expect(await survivorsOf(instanceTrial, 0, all ? 2 : 1)).toEqual([]),
  LIMIT,
);
