// The actor ids of instances.
import { expect, test } from 'vitest';
import { createActorIds } from '../../src/supervisor/actor-ids.ts';

test('a released actor id is given out again, an id of a connection is not', () => {
  const ids = createActorIds();
  expect([ids.acquire(), ids.acquire()]).toEqual(['instance-1', 'instance-2']);
  ids.release('connection-7');
  ids.release('instance-1');
  expect([ids.acquire(), ids.acquire()]).toEqual(['instance-1', 'instance-3']);
});
