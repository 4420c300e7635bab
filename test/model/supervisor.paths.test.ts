// Every path of the supervisor machine, walked in the engine with real instances under it.

import { expect, test } from 'vitest';
import { supervisorMachine } from '../../machines/index.ts';
import { listenerKinds } from './stage.ts';
import { playSupervisor, supervisorPaths } from './supervisor.ts';
import { createCoverage } from './walk.ts';

const coverage = createCoverage(supervisorMachine);

test.each(listenerKinds)(
  'a supervisor with the listener kind `%s` follows every path of its chart',
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
