// Every path of the supervisor machine, walked by an actor that runs, with instances under it that do what the test says.

import { expect, test } from 'vitest';
import { type AnyMachineSnapshot, fromCallback } from 'xstate';
import { type SupervisorContext, supervisorMachine } from '../../machines/index.ts';
import { everyTransition, follow, type Happening, pathsOf, run } from './walk.ts';

const places = ['instance-1', 'instance-2', 'instance-3'];

function cases(type: string, snapshot: AnyMachineSnapshot): Happening[] {
  const { instances, starting, waiting } = snapshot.context as SupervisorContext;
  switch (type) {
    case 'start':
      return places
        .filter(place => !instances.includes(place))
        .slice(0, 1)
        .map(place => ({
          type,
          instance: {
            instanceId: `id of ${place}`,
            place,
            external: false,
            restart: 'temporary',
            onUnresponsive: 'leave',
            intensity: 3,
            misses: 3,
            grace: 100,
          },
        }));
    case 'instance.queued':
      return instances.filter(place => !starting.includes(place) && !waiting.includes(place)).map(place => ({ type, place }));
    case 'instance.settled':
      return instances.map(place => ({ type, place }));
    case 'xstate.done.actor.*':
      return instances.map(place => ({ type: `xstate.done.actor.${place}`, actorId: place }));
    case 'xstate.error.actor.*':
      return instances.map(place => ({ type: `xstate.error.actor.${place}`, actorId: place, error: 'broken' }));
    case 'socket.accepted':
      return [{ type, connectionId: 'connection-1' }];
    case 'stop':
      return [{ type, grace: 100 }];
    default:
      return [];
  }
}

test('100 % of the states and transitions of the supervisor machine are walked', () => {
  const taken = new Set<string>();
  const input = { maxConcurrentStarts: 1 };
  const paths = pathsOf({
    machine: supervisorMachine,
    input,
    cases,
    bits: (c: SupervisorContext) => [c.instances.length, c.starting.length, c.waiting.length],
  });
  for (const steps of paths) {
    const granted: string[] = [];
    const alive = new Set<string>();
    const released: string[] = [];
    const stub = fromCallback(({ self, receive }) => {
      alive.add(self.id);
      receive(event => {
        if (event.type === 'start.granted') granted.push(self.id);
      });
      return () => alive.delete(self.id);
    }) as never;
    const system = run(
      supervisorMachine.provide({
        actors: { instance: stub, connection: stub, reception: stub },
        actions: { releasePlace: (_, { place }) => void released.push(place) },
      }),
      input,
      taken,
    );
    let sockets = 0;
    const difference = follow(system, steps, event => {
      // The same name twice would orphan the first.
      if (event.type === 'socket.accepted') sockets += 1;
      system.actor.send((event.type === 'socket.accepted' ? { ...event, connectionId: `connection-${sockets}` } : event) as never);
      const { starting, instances } = (system.actor.getSnapshot() as unknown as { context: SupervisorContext }).context;
      // Never more start at once than may, every place that is held was granted, and only who is forgotten is released.
      expect(starting.length).toBeLessThanOrEqual(1);
      expect(starting.every(place => granted.includes(place))).toBe(true);
      expect(released.filter(place => instances.includes(place) && !alive.has(place))).toEqual([]);
    });
    expect(difference, steps.map(step => step.event.type).join(' > ')).toBeNull();
    const { status, context } = system.actor.getSnapshot() as unknown as { status: string; context: SupervisorContext };
    if (status === 'done') expect(context.instances).toEqual([]);
    system.stop();
    expect([...alive]).toEqual([]);
    expect(system.reports.some(each => each.type === 'host.failed')).toBe(false);
  }
  const every = everyTransition(supervisorMachine);
  expect(every.filter(key => !taken.has(key))).toEqual([]);
  console.info(`supervisor: ${paths.length} paths, ${taken.size} of ${every.length} transitions`);
});
