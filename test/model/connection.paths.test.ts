// Every path of the connection machine, walked in the engine over real sockets.

import { expect, test } from 'vitest';
import { connectionMachine } from '../../machines/index.ts';
import { connectionPaths, playConnection } from './connection.ts';
import { listenerKinds } from './stage.ts';
import { createCoverage } from './walk.ts';

const coverage = createCoverage(connectionMachine);

test.each(listenerKinds)(
  'a connection of the listener kind `%s` follows every path of its chart',
  async listener => {
    for (const steps of connectionPaths(listener)) {
      const played = await playConnection(listener, steps);
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
