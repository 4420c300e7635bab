// Mutants of src: are they noticed? `npm run mutate -- --src [--seed N] [--count N] [--skip N] [--workers N] [--quick] [--only TEXT] [--json]`.
// Each mutant meets the tests that lead to its file, first the quick ones in one process, then the others. The first failure
// ends it.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Copy, createCopy, type Run, SILENCE } from './copy.ts';
import { equivalent } from './equivalent.ts';
import { type Mutant, mutantsOf } from './mutants.ts';
import { testsOf } from './tests-of.ts';

const { values: given } = parseArgs({
  options: {
    src: { type: 'boolean' },
    seed: { type: 'string', default: '1' },
    count: { type: 'string', default: '100' },
    /** Leaves out the first of them, which an interrupted run has tried. */
    skip: { type: 'string', default: '0' },
    workers: { type: 'string', default: '2' },
    /** Only mutants whose file, line or text holds this, such as `outbox.ts` or `outbox.ts:58`; any of several. */
    only: { type: 'string', multiple: true, default: [''] },
    /** Where the times of the tests are kept: written where there is none, else read, and the run without a mutant is left out. */
    times: { type: 'string' },
    json: { type: 'boolean', default: false },
    /** Runs the quick tests alone: what they do not notice is only a candidate, for a test of its own or for the whole run. */
    quick: { type: 'boolean', default: false },
    /** Names the chosen mutants and ends. */
    list: { type: 'boolean', default: false },
  },
});
const root = join(import.meta.dirname, '..', '..');
const say = (text: string): void => void (given.json || console.log(text));

/** The mutants of this seed: a shuffle, so that a greater count holds those of a smaller one. */
function choose(all: readonly Mutant[], seed: number, count: number): Mutant[] {
  let state = seed >>> 0;
  // mulberry32
  const random = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const left = [...all];
  return Array.from({ length: Math.min(count, left.length) }, () => left.splice(Math.floor(random() * left.length), 1)[0]!);
}

const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter(name => name.endsWith('.ts'))
  .map(name => join('src', name))
  .sort();
const all = files.flatMap(file => mutantsOf(file, readFileSync(join(root, file), 'utf8')));
const fitting = all.filter(({ file, line, key }) => given.only.some(text => `${file}:${line} ${key}`.includes(text)));
const chosen = choose(fitting, Number(given.seed), Number(given.count)).slice(Number(given.skip));
if (given.list) {
  for (const { file, line, key } of chosen) console.log(`${file}:${line}  ${key}`);
  process.exit();
}

const { tests, nearest } = testsOf(root);
const temporary = mkdtempSync(join(tmpdir(), 'mutants-'));
const copies: Copy[] = [];
for (let n = 0; n < Number(given.workers); n += 1) copies.push(createCopy(root, join(temporary, String(n)), copies[0]));

const clean = (): void => {
  for (const copy of copies) copy.end();
  rmSync(temporary, { recursive: true, force: true });
};
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => {
    clean();
    process.exit(1);
  });
}

/** How long each test file takes, in ms; a file that fails without a mutant could not notice one. */
async function measure(copy: Copy): Promise<Record<string, number>> {
  say(`first the ${tests.length} test files without a mutant`);
  const { lines } = await copy.runAll(tests, copies.length);
  const failing = new Set(lines.filter(({ state }) => state === 'failed').map(({ file }) => file));
  for (const file of failing) if ((await copy.runAll([file], 1)).failed === null) failing.delete(file);
  for (const file of failing) say(`${file} fails without a mutant, and is left out`);
  return Object.fromEntries(lines.filter(({ title, file }) => title === '' && !failing.has(file)).map(({ file, ms }) => [file, ms]));
}

const readTimes = (): Record<string, number> | null => {
  try {
    return JSON.parse(readFileSync(given.times!, 'utf8')) as Record<string, number>;
  } catch {
    return null;
  }
};

/** A file of tests that takes less than this, in ms, waits for nothing that a busy machine could delay. */
const QUICK = 2_000;

/** No test takes longer than its file took without the mutant, but the machine may be busier now. */
const silenceIn =
  (times: Record<string, number>) =>
  (test: string): number =>
    40_000 + 3 * times[test]!;

type Found = Run['failed'];

/** The test that notices; null where none does. `together`: the quick files, as far as they pass in one process. */
async function hunt(copy: Copy, mutant: Mutant, times: Record<string, number>, together: ReadonlySet<string>): Promise<Found> {
  const silenceOf = silenceIn(times);
  const near = nearest(mutant.file).filter(({ test }) => test in times);
  const first = near
    .filter(({ test }) => together.has(test))
    .sort((a, b) => a.distance - b.distance || times[a.test]! - times[b.test]!)
    .map(({ test }) => test);
  const rest = near
    .filter(({ test }) => !given.quick && !together.has(test))
    .sort((a, b) => Number(b.isAbout) - Number(a.isAbout) || times[a.test]! - times[b.test]!)
    .map(({ test }) => test);

  // In one process the quick files take a tenth of the time.
  for (const [files, how] of [[first, 'runTogether'] as const, [rest, 'run'] as const]) {
    let waiting = files;
    while (waiting.length > 0) {
      const restore = await copy.apply(mutant);
      const { failed } = await copy[how](waiting, silenceOf).finally(restore);
      if (failed === null) break;
      // Files in one process can disturb each other, also where they all pass without a mutant.
      const isCertain = how === 'run' && times[failed.file]! < QUICK && failed.title !== SILENCE;
      if (isCertain || (await isDue(copy, mutant, failed.file, silenceOf))) return failed;
      waiting = waiting.slice(waiting.indexOf(failed.file) + 1);
    }
  }
  return null;
}

/** The quick files that pass in one process without a mutant: a test may see what another file has left. */
async function findTogether(copy: Copy, times: Record<string, number>): Promise<Set<string>> {
  const together = new Set(tests.filter(test => times[test]! < QUICK));
  for (;;) {
    const { failed } = await copy.runTogether([...together], silenceIn(times));
    if (failed === null) return together;
    together.delete(failed.file);
  }
}

/** A busy machine or another file can fail a test, too: it has noticed the mutant if it fails again with it, and passes without it. */
async function isDue(copy: Copy, mutant: Mutant, file: string, silenceOf: (test: string) => number): Promise<boolean> {
  const restore = await copy.apply(mutant);
  const again = await copy.run([file], silenceOf).finally(restore);
  return again.failed !== null && (await copy.run([file], silenceOf)).failed === null;
}

try {
  const known = given.times === undefined ? null : readTimes();
  const times = known ?? (await measure(copies[0]!));
  if (known === null && given.times !== undefined) writeFileSync(given.times, JSON.stringify(times, null, 1));

  const together = await findTogether(copies[0]!, times);
  const queue = [...chosen];
  const count = { noticed: 0, equivalent: 0 };
  await Promise.all(
    copies.map(async copy => {
      for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
        const { file, line, key } = mutant;
        const began = performance.now();
        const reason = equivalent[key];
        const by = reason === undefined ? await hunt(copy, mutant, times, together) : null;
        const seconds = Math.round((performance.now() - began) / 1000);
        const verdict = by !== null ? 'noticed' : reason !== undefined ? 'changes nothing' : 'UNNOTICED';
        if (by !== null) count.noticed += 1;
        if (reason !== undefined) count.equivalent += 1;
        if (given.json) console.log(JSON.stringify({ file, line, key, verdict, by, reason, seconds }));
        say(
          `${verdict}  ${file}:${line}  ${seconds} s\n  ${key}${by === null ? '' : `\n  by ${by.file}: ${by.title}`}${reason === undefined ? '' : `\n  ${reason}`}`,
        );
      }
    }),
  );
  const real = chosen.length - count.equivalent;
  console.log(
    `${count.noticed} of ${real} noticed, ${count.equivalent} that change nothing (seed ${given.seed}, ${all.length} mutants in all)`,
  );
  process.exitCode = count.noticed === real ? 0 : 1;
} finally {
  clean();
}
