// Tests the walks: one mutant at a time replaces a chart, and a walk has to notice it. Paths on which the pure mutant differs from
// the pure chart are walked first: one of them is usually enough.
import { type AnyMachineSnapshot, type AnyStateMachine, getInitialSnapshot } from 'xstate';
import { charts } from '../../src/supervisor/wiring.ts';
import { connectionInput, connectionPaths, playConnection } from './connection.ts';
import { instanceInput, instancePaths, kinds, playInstance } from './instance.ts';
import { type Mutant, mutantsOf } from './mutants.ts';
import { advance, alone, type Step } from './paths.ts';
import { playPool, poolInput, poolKinds, poolPaths } from './pool.ts';
import { playSession, sessionInput, sessionKinds, sessionPaths } from './session.ts';
import { listenerKinds } from './stage.ts';
import { playSupervisor, supervisorInput, supervisorPaths } from './supervisor.ts';
import { agent, execution, pathsOf, playTable, type Tabled } from './tables.ts';
import { patience } from './walk.ts';

export interface Trial {
  readonly id: string;
  readonly mutants: readonly Mutant[];
  /** Walks the paths that can reach the change until one notices it; null where none does. */
  hunt(mutant: Mutant): Promise<string | null>;
}

/** Shorter than `patience`, since many mutants make an event impossible for which a walk then waits in vain. */
const IMPATIENCE = 2_000;

/** An event that another one brings along, without being a step of its own: a session is opened over a socket. */
const BROUGHT: Readonly<Record<string, string>> = { 'session.opened': 'socket.accepted' };

/** Whether this path can reach the change. */
function meets(steps: readonly Step[], { state, event }: Mutant): boolean {
  if (event === null) return true;
  const fits = (type: string): boolean => (event.endsWith('*') ? type.startsWith(event.slice(0, -1)) : type === event);
  const inside = (value: unknown, at: string): boolean => {
    if (at === state || at.startsWith(`${state}.`)) return true;
    if (typeof value === 'string') return `${at}.${value}` === state || `${at}.${value}`.startsWith(`${state}.`);
    return Object.entries(value as object).some(([key, inner]) => inside(inner, `${at}.${key}`));
  };
  const brings = ({ event: { type } }: Step): boolean => fits(type) || fits(BROUGHT[type] ?? '');
  return steps.some((step, i) => brings(step) && (i === 0 || inside(steps[i - 1]!.state.value, state.split('.')[0]!)));
}

const lookOf = ({ status, value, context }: AnyMachineSnapshot): string => JSON.stringify([status, value, context]);

/**
 * Does the pure mutant go another way than the pure machine, or fail? Paths that begin alike share their steps, so `known`
 * holds where the mutant was after a step; null: on another way.
 */
function parts(machine: AnyStateMachine, input: unknown, steps: readonly Step[], known: Map<Step, AnyMachineSnapshot | null>): boolean {
  try {
    let at = getInitialSnapshot(machine, input as never) as AnyMachineSnapshot;
    return steps.some(step => {
      const { event, state } = step;
      let next = known.get(step);
      if (next === undefined) {
        [next] = advance(machine, at, event);
        if (lookOf(next) !== lookOf(state)) next = null;
        known.set(step, next);
      }
      if (next !== null) at = next;
      return next === null;
    });
  } catch {
    return true;
  }
}

interface Walked<K> {
  readonly name: keyof typeof charts;
  readonly variants: readonly K[];
  input(variant: K): unknown;
  paths(variant: K): Step[][];
  play(variant: K, steps: readonly Step[], running: typeof charts): Promise<{ finding: string | null }>;
}

function walked<K>({ name, variants, input, paths, play }: Walked<K>): Trial {
  let every: { variant: K; steps: Step[] }[] | null = null;
  const impatiently = async (variant: K, steps: readonly Step[], running: typeof charts): Promise<string | null> => {
    patience.ms = IMPATIENCE;
    return (await play(variant, steps, running)).finding;
  };
  return {
    id: name,
    mutants: mutantsOf(charts[name]),
    async hunt(mutant) {
      every ??= variants
        .flatMap(variant => paths(variant).map(steps => ({ variant, steps })))
        .sort((a, b) => a.steps.length - b.steps.length);
      const model = alone(mutant.machine);
      const others: typeof every = [];
      const known = new Map<Step, AnyMachineSnapshot | null>();
      // Of the smaller charts all paths are walked: their timers run between the events.
      const meeting = every.filter(({ steps }) => name !== 'instance' || meets(steps, mutant));
      const notices = async ({ variant, steps }: { variant: K; steps: Step[] }): Promise<string | null> => {
        const finding = await impatiently(variant, steps, { ...charts, [name]: mutant.machine as never });
        if (finding === null) return null;
        // A machine that is slow can be the cause as well: then the chart as it is does no better.
        return (await impatiently(variant, steps, charts)) === null ? finding : null;
      };
      for (const path of meeting) {
        if (!parts(model, input(path.variant), path.steps, known)) others.push(path);
        else {
          const finding = await notices(path);
          if (finding !== null) return finding;
        }
      }
      for (const path of others) {
        const finding = await notices(path);
        if (finding !== null) return finding;
      }
      return null;
    },
  };
}

const tabled = (which: Tabled): Trial => {
  const paths = pathsOf(which);
  return {
    id: which.machine.id,
    mutants: mutantsOf(which.machine),
    hunt: mutant => {
      for (const path of paths) {
        const { finding } = playTable(which, mutant.machine, path);
        if (finding !== null) return Promise.resolve(finding);
      }
      return Promise.resolve(null);
    },
  };
};

export const instanceTrial: Trial = walked({
  name: 'instance',
  variants: kinds,
  input: instanceInput,
  paths: instancePaths,
  play: playInstance,
});
/** Steps of the charts of session and pool that a path has: no second path is walked for them. */
const sessionSteps = new Set<string>();
const poolSteps = new Set<string>();

export const smallTrials: readonly Trial[] = [
  tabled(execution),
  tabled(agent),
  walked({ name: 'connection', variants: listenerKinds, input: connectionInput, paths: connectionPaths, play: playConnection }),
  walked({
    name: 'session',
    variants: sessionKinds,
    input: sessionInput,
    paths: kind => sessionPaths(kind, sessionSteps),
    play: playSession,
  }),
  walked({ name: 'pool', variants: poolKinds, input: poolInput, paths: kind => poolPaths(kind, poolSteps), play: playPool }),
  walked({ name: 'supervisor', variants: listenerKinds, input: () => supervisorInput, paths: supervisorPaths, play: playSupervisor }),
];

/** `npm test` tries one of this many mutants; MUTANTS=all tries all of them. */
const SAMPLE = 29;
export const all = process.env.MUTANTS === 'all';
/** Only mutants whose name contains this are tried. */
const only = process.env.ONLY ?? '';

/** Equivalent mutants: they behave like the chart, so no walk can notice them. Tried with MUTANTS=all only, since every path is walked. */
const equivalent: Readonly<Record<string, string>> = {
  'execution.started running: removed': 'the transition stays in its state and has no actions',
  'agent.draining terminate: removed': 'the transition stays in its state and has no actions',
  'instance.backoff restart: led to instance.restarting': 'that state leads to running at once, and the start slot was given back before',
  'instance.backoff xstate.after.backoff.instance.backoff: led to instance.restarting': 'the same',
};

/** Tries the mutants `share` of `shares`; returns those that no walk noticed although they change something. */
export async function survivorsOf({ id, mutants, hunt }: Trial, share = 0, shares = 1): Promise<string[]> {
  const chosen = mutants.filter(({ name }, n) => (all || (n % SAMPLE === 0 && !(name in equivalent))) && name.includes(only));
  const sample = chosen.filter((_, n) => n % shares === share);
  const survivors: string[] = [];
  for (const mutant of sample) {
    const finding = await hunt(mutant);
    if (finding === null) survivors.push(mutant.name);
    if (process.env.LOUD) console.info(`  ${mutant.name}: ${finding ?? 'SURVIVED'}`);
  }
  const which = shares === 1 ? '' : `, share ${share + 1} of ${shares}`;
  console.info(`${id}: ${sample.length} of ${mutants.length} mutants tried${which}, ${sample.length - survivors.length} noticed`);
  for (const name of survivors.filter(each => each in equivalent)) console.info(`  ${name}: ${equivalent[name]}`);
  return survivors.filter(name => !(name in equivalent));
}
