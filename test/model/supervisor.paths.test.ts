// Every path of the supervisor machine, walked in the engine with real instances under it.

import { expect, test } from 'vitest';
import { supervisorMachine } from '../../machines/index.ts';
import { listeners, playSupervisor, supervisorPaths } from './supervisor.ts';
import { createCoverage } from './walk.ts';

const coverage = createCoverage(supervisorMachine);

test.each(listeners)(
  'every path of a supervisor, the listener %s, goes as the chart says',
  async listener => {
    for (const steps of supervisorPaths(listener)) {
      const played = await playSupervisor(listener, steps);
      expect(played.finding).toBeNull();
      coverage.add(played);
    }
  },
  240_000,
);

test('100 % of the states and transitions of the supervisor machine are walked', () => {
  console.info(coverage.report());
  expect(coverage.missing()).toEqual([]);
});
