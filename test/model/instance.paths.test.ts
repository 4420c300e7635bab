// Every path of the instance machine, walked by an actor that runs, with actors under it that do what the test says.

import { expect, test } from 'vitest';
import { type AnyMachineSnapshot, fromCallback } from 'xstate';
import { type InstanceContext, type InstanceInput, instanceMachine } from '../../machines/index.ts';
import { advance, delayOf, everyTransition, follow, type Happening, pathsOf, run } from './walk.ts';

// Each longer than all that can pass before it in the same state.
const delays: Record<string, number> = {
  drainDelay: 5,
  backoff: 5,
  terminateDelay: 10,
  grace: 50,
  giveUpDelay: 60,
  connectTimeout: 100,
  reconnectWindow: 100,
  restartPeriod: 1_000,
  stableUptime: 5_000,
};

const kinds: [string, Partial<InstanceInput>][] = [
  ['temporary', {}],
  ['transient', { restart: 'transient', intensity: 1 }],
  ['permanent', { restart: 'permanent', intensity: 0 }],
  ['external', { external: true }],
  ['without grace', { grace: 0 }],
];

/** What can happen in a state, with the ids that mean something there. */
function cases(type: string, snapshot: AnyMachineSnapshot): Happening[] {
  const { connections, session, claimant, falls, external } = snapshot.context as InstanceContext;
  const working = snapshot.matches({ running: 'connected' });
  switch (type) {
    case 'listener.bound':
      return [{ type, address: '127.0.0.1:9100' }];
    case 'listener.failed':
      return [{ type, code: 'PORTS_EXHAUSTED', message: 'none left' }];
    case 'socket.accepted': {
      const free = (working && claimant !== null ? ['c1', 'c2', 'c3'] : ['c1', 'c2']).find(id => !connections.includes(id));
      return free === undefined ? [] : [{ type, connectionId: free }];
    }
    case 'connection.closed':
      return connections.flatMap(connectionId => ['LINK_LOST', 'HEARTBEAT_LOST'].map(code => ({ type, connectionId, code })));
    case 'session.claimed':
      return connections.filter(each => each !== session && each !== claimant).map(connectionId => ({ type, connectionId }));
    case 'session.opened':
      return session === null ? [] : [{ type, connectionId: session }];
    case 'session.confirmed':
      return session === null ? [] : [{ type, connectionId: session }];
    case 'process.spawned':
      return [{ type, pid: 4711 }];
    case 'process.failed':
      return [true, false].map(final => ({ type, code: 'SPAWN_FAILED', message: 'missing', final }));
    case 'process.exited':
      return external && working ? [] : [0, 1].map(exitCode => ({ type, exitCode, signal: null }));
    case 'stop':
      return (snapshot.matches({ running: 'stopping' }) ? [0, 60, 100] : [0, 100]).map(grace => ({ type, grace }));
    case 'xstate.error.actor.*':
      return [{ type: 'xstate.error.actor.listener', actorId: 'listener', error: 'broken' }];
    case 'fall.forgotten':
      return working && falls > 0 ? [{ type }] : [];
    default: {
      const delay = delayOf(type);
      // Its falls would be forgotten on the way; and a rung that is shorter always comes before its grace is over.
      if (delay === 'stableUptime' && falls > 0) return [];
      if (delay === 'grace' && snapshot.matches({ running: { stopping: { patient: 'asked' } } })) return [];
      return [{ type }];
    }
  }
}

const bits = (c: InstanceContext) => [
  c.connections.length,
  c.session !== null,
  c.claimant !== null,
  c.policy,
  c.cause?.final,
  c.cause?.reason === 'completed',
  c.output,
  c.lost === 'HEARTBEAT_LOST',
  c.falls > c.intensity,
  c.falls > 0,
  c.patience > 0,
];

test('100 % of the states and transitions of the instance machine are walked', () => {
  const taken = new Set<string>();
  const states = new Set<string>();
  let walked = 0;
  for (const [name, kind] of kinds) {
    const input: InstanceInput = {
      instanceId: 'i1',
      place: 'p1',
      external: false,
      restart: 'temporary',
      intensity: 3,
      misses: 3,
      grace: 100,
      ...kind,
    };
    for (const steps of pathsOf({ machine: instanceMachine, input, cases, bits, limit: 200_000 })) {
      walked += 1;
      const tell: Record<string, (event: Happening) => void> = {};
      const counts = { born: 0, disposed: 0, ended: 0, incarnations: 0 };
      const stub = (id: string) =>
        fromCallback(({ sendBack }) => {
          tell[id] = sendBack as never;
          counts.born += 1;
          return () => {
            counts.disposed += 1;
          };
        }) as never;
      const system = run(
        instanceMachine.provide({
          delays,
          actors: { listen: stub('listener'), process: stub('process'), connection: stub('connection') },
          actions: { endInstance: () => void (counts.ended += 1), endIncarnation: () => void (counts.incarnations += 1) },
        }),
        input,
        taken,
      );
      const difference = follow(system, steps, event => {
        const delay = delayOf(event.type);
        if (delay !== null) advance(system, delays[delay]!);
        else if (event.type === 'fall.forgotten') advance(system, delays.restartPeriod!);
        else if (event.type.startsWith('process.')) tell.process!(event);
        else if (event.type.startsWith('listener.') || event.type.startsWith('socket.')) tell.listener!(event);
        else system.actor.send(event as never);
      });
      expect(difference, `${name}: ${steps.map(step => step.event.type).join(' > ')}`).toBeNull();
      for (const { state } of steps) states.add(JSON.stringify(state.value));
      const { context, status } = system.actor.getSnapshot() as unknown as { context: InstanceContext; status: string };
      if (status === 'done') {
        // Stop is final: everything that was started is disposed, and the end is told once.
        expect(counts.disposed).toBe(counts.born);
        expect(counts.ended).toBe(1);
        expect(system.reports.filter(each => each.type === 'xstate.done.actor.subject').length).toBe(1);
      }
      expect(counts.incarnations).toBe(
        status === 'done' || (system.actor.getSnapshot() as { value: unknown }).value === 'backoff'
          ? context.incarnation
          : context.incarnation - 1,
      );
      system.stop();
      expect(counts.disposed).toBe(counts.born);
      expect(system.reports.some(each => each.type === 'host.failed')).toBe(false);
    }
  }
  const every = everyTransition(instanceMachine);
  expect(every.filter(key => !taken.has(key))).toEqual([]);
  console.info(`instance: ${walked} paths, ${states.size} configurations, ${taken.size} of ${every.length} transitions`);
}, 120_000);
