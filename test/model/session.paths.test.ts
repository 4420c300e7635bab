// Every path of the session machine, walked in the engine over real sockets with agents of wire v1 and v2. A step that one kind
// of session has walked is not walked again for the others, unless WALKS=all asks for it.

import { expect, test } from 'vitest';
import { sessionMachine } from '../../machines/index.ts';
import { playSession, sessionKinds, sessionPaths } from './session.ts';
import { createCoverage } from './walk.ts';

const coverage = createCoverage(sessionMachine);
const seen = process.env.WALKS === 'all' ? undefined : new Set<string>();

test.each(sessionKinds)(
  'a session of the kind `$name` follows every path of its chart',
  async kind => {
    for (const steps of sessionPaths(kind, seen)) {
      const played = await playSession(kind, steps);
      expect(played.finding).toBeNull();
      coverage.add(played);
    }
  },
  240_000,
);

test('100 % of the states and transitions of the session machine are walked', () => {
  console.info(coverage.report());
  expect(coverage.missing()).toEqual([]);
});
