// Every path of the connection machine, walked in the engine over real sockets.

import { expect, test } from 'vitest';
import { connectionMachine } from '../../machines/index.ts';
import { connectionPaths, doors, playConnection } from './connection.ts';
import { createCoverage } from './walk.ts';

const coverage = createCoverage(connectionMachine);

test.each(doors)(
  'every path of a connection by the door of %s goes as the chart says',
  async door => {
    for (const steps of connectionPaths(door)) {
      const played = await playConnection(door, steps);
      expect(played.finding).toBeNull();
      coverage.add(played);
    }
  },
  240_000,
);

test('100 % of the states and transitions of the connection machine are walked', () => {
  console.info(coverage.report());
  expect(coverage.missing()).toEqual([]);
});
