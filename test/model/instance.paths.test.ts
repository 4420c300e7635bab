// Every path of the instance machine, walked in the engine with real programs and real sockets. A step that one kind of
// instance has walked (from a state by an event to a state, with a cause) is not walked again for the other kinds, unless
// WALKS=all asks for it.

import { expect, test } from 'vitest';
import { instanceMachine } from '../../machines/index.ts';
import { instancePaths, kinds, playInstance } from './instance.ts';
import { createCoverage } from './walk.ts';

const coverage = createCoverage(instanceMachine);
const seen = process.env.WALKS === 'all' ? undefined : new Set<string>();

test.each(kinds)(
  'an instance of the kind `$name` follows every path of its chart',
  async kind => {
    for (const steps of instancePaths(kind, seen)) {
      const played = await playInstance(kind, steps);
      expect(played.finding).toBeNull();
      coverage.add(played);
    }
  },
  240_000,
);

test('100 % of the states and transitions of the instance machine are walked', () => {
  console.info(coverage.report());
  expect(coverage.missing()).toEqual([]);
});
