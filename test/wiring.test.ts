// Every name that a machine uses exists: actions, guards, actors, delays, targets. tsc does not see delays and targets,
// and a misspelt delay fires at once.

import { describe, expect, test } from 'vitest';
import { type AnyStateMachine, createActor, initialTransition } from 'xstate';
import { getStateNodes } from 'xstate/graph';
import { agentMachine, connectionMachine, executionMachine, instanceMachine, supervisorMachine } from '../machines/index.ts';

const machines: [AnyStateMachine, unknown][] = [
  [supervisorMachine, { maxConcurrentStarts: 4 }],
  [
    instanceMachine,
    { instanceId: 'i', place: 'p', external: false, restart: 'temporary', onUnresponsive: 'leave', intensity: 3, misses: 3, grace: 500 },
  ],
  [connectionMachine, { instanceId: 'i', connectionId: 'c', misses: 3 }],
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
    expect(() => initialTransition(machine, input as never)).not.toThrow();
    for (const { target, source } of transitions)
      for (const node of target ?? []) expect({ from: source.id, to: nodes.includes(node) }).toEqual({ from: source.id, to: true });
  });

  test('every state says what it is', () => {
    expect(nodes.filter(node => !node.description).map(node => node.id)).toEqual([]);
  });

  test('an actor that was not provided says so', () => {
    if (machine.root.invoke.length === 0 || machine.root.transitions.has('xstate.error.actor.*')) return;
    const actor = createActor(machine, { input: input as never });
    let failure: unknown;
    actor.subscribe({ error: error => (failure = error) });
    actor.start();
    expect(String(failure)).toMatch(/was not provided/);
  });
});
