// Every path of the instance machine, walked in the engine with real programs and real sockets.

import { expect, test } from 'vitest';
import { instanceMachine } from '../../machines/index.ts';
import { instancePaths, kinds, playInstance } from './instance.ts';
import { everyTransition } from './walk.ts';

const taken = new Set<string>();
const states = new Set<string>();
let walked = 0;

test.each(kinds)(
  'every path of an instance, $name, ends as the chart says',
  async kind => {
    for (const steps of instancePaths(kind)) {
      walked += 1;
      const { finding, taken: transitions } = await playInstance(kind, steps);
      expect(finding).toBeNull();
      for (const each of transitions) taken.add(each);
      for (const { state } of steps) states.add(JSON.stringify(state.value));
    }
  },
  240_000,
);

test('100 % of the states and transitions of the instance machine are walked', () => {
  const every = everyTransition(instanceMachine);
  expect(every.filter(key => !taken.has(key))).toEqual([]);
  console.info(`instance: ${walked} paths, ${states.size} configurations, ${every.length} of ${every.length} transitions`);
});
