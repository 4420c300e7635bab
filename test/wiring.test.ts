// Every name that a machine uses exists: actions, guards, actors, delays, targets. tsc does not see delays and targets,
// and a misspelt delay fires at once. What a machine names and does not implement itself is provided by the wiring.

import { describe, expect, test } from 'vitest';
import { type AnyActorLogic, type AnyStateMachine, createActor, initialTransition, StateMachine } from 'xstate';
import { getStateNodes } from 'xstate/graph';
import {
  agentMachine,
  connectionMachine,
  executionMachine,
  instanceMachine,
  poolMachine,
  sessionMachine,
  supervisorMachine,
} from '../machines/index.ts';
import { createLogger } from '../src/observe/log.ts';
import { spearletSchema } from '../src/option-schemas.ts';
import { parse } from '../src/parse.ts';
import { wirePool } from '../src/pool/wiring.ts';
import { createRegistry } from '../src/supervisor/registry.ts';
import { charts, wire } from '../src/supervisor/wiring.ts';
import { tcp } from '../src/transport/tcp.ts';
import { realClock } from '../src/world/clock.ts';
import { alone } from './model/paths.ts';

const machines: [AnyStateMachine, unknown][] = [
  [supervisorMachine, { maxConcurrentStarts: 4 }],
  [
    instanceMachine,
    {
      ...{ instanceId: 'i', actorId: 'a', external: false, restart: 'temporary', onUnresponsive: 'leave' },
      ...{ intensity: 3, misses: 3, failureGrace: 500, successCodes: [], neverRestartOn: [] },
    },
  ],
  [sessionMachine, { instanceId: 'i', misses: 3, external: false }],
  [connectionMachine, { instanceId: 'i', connectionActorId: 'c', misses: 3 }],
  [poolMachine, { poolId: 'p', min: 1, wanted: 1, intensity: 3, grace: 500 }],
  [executionMachine, undefined],
  [agentMachine, undefined],
];

/** The name in `'name'` or `{ type: 'name' }`; nothing for functions and for what XState makes itself. */
function nameOf(reference: unknown): string | null {
  if (typeof reference === 'string') return reference.startsWith('xstate.') ? null : reference;
  const type = (reference as { type?: string } | null)?.type;
  return type === undefined || type.startsWith('xstate.') || typeof reference === 'function' ? null : type;
}

describe.each(machines)('$id', (machine, input) => {
  const nodes = [machine.root, ...getStateNodes(machine)];
  const transitions = nodes.flatMap(node => [...[...node.transitions.values()].flat(), ...(node.always ?? [])]);

  const used = { actions: new Set<string>(), guards: new Set<string>(), actors: new Set<string>(), delays: new Set<string>() };
  const use = (kind: keyof typeof used, reference: unknown) => {
    const name = nameOf(reference);
    if (name !== null) used[kind].add(name);
  };
  /** An action is a name, or one of XState's own, which may name a delay or an actor in turn. */
  const useAction = (action: unknown) => {
    use('actions', action);
    const { type, delay, src } = action as { type?: string; delay?: unknown; src?: unknown };
    if (type === 'xstate.raise' && typeof delay === 'string') used.delays.add(delay);
    if (type === 'xstate.spawnChild' && typeof src === 'string') used.actors.add(src);
  };
  for (const node of nodes) {
    for (const action of [...node.entry, ...node.exit]) useAction(action);
    for (const invoke of node.invoke) use('actors', invoke.src);
    for (const { delay } of node.after) use('delays', delay);
  }
  for (const transition of transitions) {
    for (const action of transition.actions) useAction(action);
    use('guards', transition.guard ?? null);
  }
  for (const name of used.actions) useAction(machine.implementations.actions[name]);

  test.each(['actions', 'guards', 'actors', 'delays'] as const)(
    'every named one of the %s exists, and every one that exists is named',
    kind => {
      expect([...used[kind]].filter(name => !/\.raise|^\d+$/.test(name)).sort()).toEqual(Object.keys(machine.implementations[kind]).sort());
    },
  );

  test('every target exists and the initial state can be entered', () => {
    expect(() => initialTransition(alone(machine), input as never)).not.toThrow();
    for (const { target, source } of transitions)
      for (const node of target ?? []) expect({ from: source.id, to: nodes.includes(node) }).toEqual({ from: source.id, to: true });
  });

  test('every state says what it is', () => {
    expect(nodes.filter(node => !node.description).map(node => node.id)).toEqual([]);
  });

  test('each action, actor and delay that was not provided says so', async () => {
    for (const [kind, name] of providedOf(machine)) {
      const implementation = machine.implementations[kind][name] as (() => void) & AnyActorLogic;
      const failure =
        kind === 'actors'
          ? new Promise(failed => {
              const actor = createActor(implementation);
              actor.subscribe({ error: failed });
              actor.start();
            })
          : Promise.resolve().then(implementation).catch(String);
      expect(String(await failure)).toBe(`Error: ${machine.id}: ${kind.slice(0, -1)} '${name}' was not provided`);
    }
  });
});

type Kind = 'actions' | 'actors' | 'delays';

/** What has to be provided: delays, actors that are no machines, and actions that XState does not carry out itself. */
function providedOf({ implementations }: AnyStateMachine): [Kind, string][] {
  const isEffect = (action: unknown): boolean => (action as { type?: string }).type === undefined;
  return [
    ...Object.entries(implementations.actions).flatMap(([name, action]): [Kind, string][] => (isEffect(action) ? [['actions', name]] : [])),
    ...Object.entries(implementations.actors).flatMap(([name, actor]): [Kind, string][] =>
      actor instanceof StateMachine ? [] : [['actors', name]],
    ),
    ...Object.keys(implementations.delays).map((name): [Kind, string] => ['delays', name]),
  ];
}

describe('the wiring', () => {
  const poolMembers = { start() {}, retireIdle() {}, untilIdle: () => 1 } as never;
  const random = { fraction: () => 0, token: () => '', id: () => '' };
  const registry = createRegistry(realClock, createLogger(false), () => null as never);
  const supervisor = wire(
    { clock: realClock, random, programs: {} as never, network: tcp, environment: {}, workingDirectory: '/' },
    parse(spearletSchema, {}, 'options'),
    registry,
    charts,
  ) as AnyStateMachine;
  const instance = supervisor.implementations.actors.instance as AnyStateMachine;
  const session = instance.implementations.actors.session as AnyStateMachine;
  const connection = session.implementations.actors.connection as AnyStateMachine;
  const wiredPool = wirePool(charts.pool, {
    ...{ random, options: parse(spearletSchema, {}, 'options'), members: poolMembers },
    ...{ announceOpen() {}, closeIntake() {}, adoptFailure() {}, announceGivenUp() {}, stopMembers() {} },
  });
  const wired = { supervisor, instance, session, connection, pool: wiredPool as AnyStateMachine };

  const missing = (chart: AnyStateMachine, running: AnyStateMachine): string[] =>
    providedOf(chart).flatMap(([kind, name]) => (running.implementations[kind][name] === chart.implementations[kind][name] ? name : []));

  describe.each(Object.keys(wired) as (keyof typeof wired)[])('of the %s', id => {
    const chart = charts[id] as AnyStateMachine;

    test('provides every action, actor and delay', () => {
      expect(missing(chart, wired[id])).toEqual([]);
    });

    test('is found out where it forgets any of them', () => {
      for (const [kind, name] of providedOf(chart)) {
        const forgetful = wired[id].provide({ [kind]: { [name]: chart.implementations[kind][name] } } as never);
        expect(missing(chart, forgetful)).toEqual([name]);
      }
    });
  });

  test('counts the time of an authentication from the socket on, also after the shared listener has routed it', () => {
    const channel = { counts: { connectedAt: realClock.now() - 2_000 } };
    registry.unroutedConnections.set('connection-1', { channel } as never);
    const { authTimeout } = connection.implementations.delays;
    const left = (authTimeout as (args: unknown) => number)({ context: { instanceId: null, connectionActorId: 'connection-1' } });
    registry.unroutedConnections.clear();
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(3_000);
  });

  test('runs the same connection at the shared listener', () => {
    expect(supervisor.implementations.actors.connection).toBe(connection);
  });
});
