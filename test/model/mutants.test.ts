// The walks can fail: every transition, guard and delay of every machine is changed in turn, and a walk has to notice.
// `npm test` takes a sample, `npm run mutate` all of them, and reports who survives.

import { expect, test } from 'vitest';
import { charts } from '../../src/runtime/wiring.ts';
import { connectionPaths, doors, playConnection } from './connection.ts';
import { instancePaths, kinds, playInstance } from './instance.ts';
import { type Mutant, mutantsOf } from './mutants.ts';
import { listeners, playSupervisor, supervisorPaths } from './supervisor.ts';
import { agent, execution, pathsOf, playTable, type Tabled } from './tables.ts';
import { patience, type Step } from './walk.ts';

// What a change has made impossible is waited for in vain, again and again.
patience.ms = 2_000;

const all = process.env.MUTANTS === 'all';
/** Only those whose name holds this. */
const only = process.env.ONLY ?? '';
/** Of so many mutants one is in the sample. */
const SAMPLE = 9;

/** Survivors that are no fault of the walks: changed like this, the machine does the same. */
const equivalent: Readonly<Record<string, string>> = {
  'execution.started running: removed': 'it leads back to where it is, and nothing is done on the way',
  'agent.draining terminate: removed': 'it leads back to where it is, and nothing is done on the way',
};

interface Trial {
  readonly id: string;
  readonly mutants: readonly Mutant[];
  /** Plays such paths as can meet the change until one notices; null where none does. */
  hunt(mutant: Mutant): Promise<string | null>;
}

/** Can this path meet the change? */
function meets(steps: readonly Step[], { state, event }: Mutant): boolean {
  if (event === null) return true;
  const fits = (type: string): boolean => (event.endsWith('*') ? type.startsWith(event.slice(0, -1)) : type === event);
  const inside = (value: unknown, at: string): boolean => {
    if (at === state || at.startsWith(`${state}.`)) return true;
    if (typeof value === 'string') return `${at}.${value}` === state || `${at}.${value}`.startsWith(`${state}.`);
    return Object.entries(value as object).some(([key, inner]) => inside(inner, `${at}.${key}`));
  };
  return steps.some((step, i) => fits(step.event.type) && (i === 0 || inside(steps[i - 1]!.state.value, state.split('.')[0]!)));
}

function walked<K>(
  name: keyof typeof charts,
  variants: readonly K[],
  paths: (variant: K) => Step[][],
  play: (variant: K, steps: readonly Step[], running: typeof charts) => Promise<{ finding: string | null }>,
): Trial {
  let every: { variant: K; steps: Step[] }[] | null = null;
  return {
    id: name,
    mutants: mutantsOf(charts[name]),
    async hunt(mutant) {
      every ??= variants
        .flatMap(variant => paths(variant).map(steps => ({ variant, steps })))
        .sort((a, b) => a.steps.length - b.steps.length);
      for (const { variant, steps } of every) {
        // The few paths of the others are all played: their timers run between the events.
        if (name === 'instance' && !meets(steps, mutant)) continue;
        const { finding } = await play(variant, steps, { ...charts, [name]: mutant.machine as never });
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

const trials: readonly Trial[] = [
  tabled(execution),
  tabled(agent),
  walked('connection', doors, connectionPaths, playConnection),
  walked('supervisor', listeners, supervisorPaths, playSupervisor),
  walked('instance', kinds, instancePaths, playInstance),
];

test.each(trials)(
  'a walk notices what is changed of the $id machine',
  async ({ id, mutants, hunt }) => {
    const sample = mutants.filter(({ name }, n) => (all || n % SAMPLE === 0) && name.includes(only));
    const survivors: string[] = [];
    for (const mutant of sample) if ((await hunt(mutant)) === null) survivors.push(mutant.name);
    const excused = survivors.filter(name => name in equivalent);
    console.info(`${id}: ${sample.length} of ${mutants.length} mutants tried, ${sample.length - survivors.length} noticed`);
    for (const name of excused) console.info(`  ${name}: ${equivalent[name]}`);
    expect(survivors.filter(name => !(name in equivalent))).toEqual([]);
  },
  1_200_000,
);
