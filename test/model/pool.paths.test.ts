// Every path of the pool machine, walked in the engine with real programs as members.

import { expect, test } from 'vitest';
import { poolMachine } from '../../machines/index.ts';
import { playPool, poolKinds, poolPaths } from './pool.ts';
import { createCoverage } from './walk.ts';

const coverage = createCoverage(poolMachine);
/** Steps that a path of another kind has already. */
const seen = new Set<string>();

test.each(poolKinds)(
  'a pool of the kind `$name` follows every path of its chart',
  async kind => {
    for (const steps of poolPaths(kind, seen)) {
      const played = await playPool(kind, steps);
      expect(played.finding).toBeNull();
      coverage.add(played);
    }
  },
  240_000,
);

test('100 % of the states and transitions of the pool machine are walked', () => {
  console.info(coverage.report());
  expect(coverage.missing()).toEqual([]);
});
