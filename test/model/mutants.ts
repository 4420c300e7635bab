// Mutants of a chart: one transition, guard or delay is removed or changed in each. A walk that does not notice a mutant does not
// test that part.
import { type AnyStateMachine, createMachine, not } from 'xstate';
import { getStateNodes } from 'xstate/graph';

export interface Mutant {
  readonly name: string;
  readonly machine: AnyStateMachine;
  /** The state and the event of the changed transition; null for a transition without an event (`always`, `onDone`). */
  readonly state: string;
  readonly event: string | null;
}

type Config = { [key: string]: unknown };

const copy = <T>(value: T): T => {
  if (Array.isArray(value)) return value.map(copy) as never;
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, copy(each)])) as never;
};

const listOf = (transitions: unknown): Config[] =>
  (Array.isArray(transitions) ? transitions : [transitions]).map(each => (typeof each === 'string' ? { target: each } : (each as Config)));

/** The transitions in a state's configuration: the object that holds them, their key there, and their event. */
function transitionsOf(config: Config, id: string): { holder: Config; key: string; event: string | null; isDelay: boolean }[] {
  const found = [];
  for (const [holder, isDelay] of [
    [config.on, false],
    [config.after, true],
  ] as const) {
    for (const key of Object.keys(holder ?? {})) {
      const event = isDelay ? `xstate.after.${key}.${id}` : key;
      found.push({ holder: holder as Config, key, event, isDelay });
    }
  }
  for (const key of ['always', 'onDone']) if (config[key] !== undefined) found.push({ holder: config, key, event: null, isDelay: false });
  for (const invoked of config.invoke === undefined ? [] : ([config.invoke].flat() as Config[])) {
    for (const [key, kind] of [
      ['onDone', 'done'],
      ['onError', 'error'],
    ] as const) {
      if (invoked[key] !== undefined) found.push({ holder: invoked, key, event: `xstate.${kind}.actor.${invoked.id}`, isDelay: false });
    }
  }
  return found;
}

/** Every mutant of a machine, in the order of its chart. */
export function mutantsOf(machine: AnyStateMachine): Mutant[] {
  const mutants: Mutant[] = [];
  const ids = getStateNodes(machine).map(node => node.id);
  const delays = Object.keys(machine.implementations.delays);

  const visit = (path: readonly string[]): void => {
    const id = [machine.id, ...path].join('.');
    const within = (root: Config): Config => path.reduce((config, key) => (config.states as Config)[key] as Config, root);
    const original = within(machine.config as never);

    for (const [at, place] of transitionsOf(original, id).entries()) {
      const add = (what: string, change: (place: { holder: Config; key: string }, list: Config[]) => void): void => {
        const config = copy(machine.config as never as Config);
        // A transition without event and guard would be taken for ever.
        config.options = { maxIterations: 1_000 };
        const mutated = transitionsOf(within(config), id)[at]!;
        const list = listOf(mutated.holder[mutated.key]);
        mutated.holder[mutated.key] = list;
        change(mutated, list);
        if (list.length === 0) delete mutated.holder[mutated.key];
        const name = `${id} ${place.event ?? place.key}${what}`;
        mutants.push({ name, machine: createMachine(config as never, machine.implementations as never), state: id, event: place.event });
      };
      const list = listOf(place.holder[place.key]);
      for (const [n, { target, guard }] of list.entries()) {
        const which = list.length === 1 ? '' : ` (${n + 1} of ${list.length})`;
        add(`${which}: removed`, (_, all) => void all.splice(n, 1));
        // Another target: the first state that is neither the target, nor the source, nor inside or around either.
        const targetKey = String(target ?? '')
          .split('.')
          .at(-1)!;
        const otherTarget = ids.find(each => !id.startsWith(each) && !each.startsWith(id) && !each.split('.').includes(targetKey));
        if (otherTarget !== undefined)
          add(`${which}: led to ${otherTarget}`, (_, all) => void (all[n] = { ...all[n], target: `#${otherTarget}` }));
        if (guard !== undefined) {
          add(`${which}: without its guard`, (_, all) => {
            const { guard: _guard, ...rest } = all[n]!;
            all[n] = rest;
          });
          add(`${which}: its guard turned round`, (_, all) => void (all[n] = { ...all[n], guard: not(guard as never) }));
        }
      }
      if (place.isDelay) {
        const other = delays.find(each => each !== place.key && (original.after as Config)[each] === undefined);
        if (other !== undefined)
          add(`: after ${other}`, ({ holder, key }, all) => {
            delete holder[key];
            holder[other] = all;
          });
      }
    }
    for (const key of Object.keys((original.states as Config | undefined) ?? {})) visit([...path, key]);
  };
  visit([]);
  return mutants;
}
