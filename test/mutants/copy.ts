// A copy of the tree in a temporary folder, in which one source file at a time is a mutant and tests are run. The user's tree
// is only read. All that the tests start carries the folder's name as TMPDIR, and is ended with the run.
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { transformWithOxc } from 'vite';
import type { Mutant } from './mutants.ts';
import type { Line } from './reporter.ts';

export interface Copy {
  readonly root: string;
  /** Puts the mutant in place, in src and in dist. Call the answer to take it back. */
  apply(mutant: Mutant): Promise<() => void>;
  /** Runs test files in this order, to the first failure. So long without a result of a file, in ms, is a hang, and a failure. */
  run(files: readonly string[], silenceOf: (file: string) => number): Promise<Run>;
  /** The same in one process, which loads each module once. A test may see what another file has left. */
  runTogether(files: readonly string[], silenceOf: (file: string) => number): Promise<Run>;
  /** Runs all of them, in any order. */
  runAll(files: readonly string[], workers: number): Promise<Run>;
  /** Ends all that runs in it. */
  end(): void;
}

export interface Run {
  readonly lines: readonly Line[];
  /** The test that failed; null: none did. */
  readonly failed: { readonly file: string; readonly title: string } | null;
}

/** The title of the failure where nothing was heard in time. */
export const SILENCE = 'no result in time';

/** What bundle.js writes. */
const BUNDLE = ['index', 'shared', 'websocket'].map(name => `dist/src/agent/${name}.js`);

/** As above, where it is not known how long a test takes. */
const LONGEST_TEST = 1_200_000;

/** Ends every process that a run has left behind. */
function sweep(mark: string): void {
  for (const pid of readdirSync('/proc').filter(name => /^\d+$/.test(name))) {
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, 'latin1');
      if (environment.split('\0').includes(`TMPDIR=${mark}`)) process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It is gone, or it is not ours to read.
    }
  }
}

/** `built`: a copy that is built already, whose dist is taken. */
export function createCopy(from: string, root: string, built: Copy | undefined): Copy {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], { cwd: from, encoding: 'utf8' });
  for (const file of listed.split('\0').filter(Boolean)) {
    try {
      cpSync(join(from, file), join(root, file), { recursive: true });
    } catch {
      // It was deleted, and git was not told yet.
    }
  }
  symlinkSync(join(from, 'node_modules'), join(root, 'node_modules'));
  // Short, because sockets are made in it.
  const mark = join(root, 'tmp');
  mkdirSync(mark);
  if (built === undefined) execFileSync('npm', ['run', '-s', 'build'], { cwd: root, stdio: 'inherit' });
  else cpSync(join(built.root, 'dist'), join(root, 'dist'), { recursive: true });

  const run = async (files: readonly string[], silenceOf: (file: string) => number, workers: number, ...more: string[]): Promise<Run> => {
    const args = ['run', '--config', join(root, 'test/mutants/vitest.config.ts'), ...more, ...files];
    const child = spawn(join(root, 'node_modules/.bin/vitest'), args, {
      cwd: root,
      env: { ...process.env, TMPDIR: mark, MUTANT_ORDER: files.join(','), MUTANT_WORKERS: String(workers) },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const closed = new Promise<number | null>(resolve => child.once('close', resolve));
    const lines: Line[] = [];
    const running = (): string => files.find(file => !lines.some(line => line.file === file && line.title === '')) ?? files.at(-1)!;
    let text = '';
    let heard = performance.now();
    let ended = false;
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      const parts = (text + chunk).split('\n');
      text = parts.pop()!;
      for (const part of parts.filter(each => each.startsWith('{"file":'))) {
        heard = performance.now();
        lines.push(JSON.parse(part) as Line);
      }
    });
    const code = await Promise.race([
      closed,
      (async () => {
        while (!ended && performance.now() - heard < silenceOf(running())) await sleep(250);
        return 'silent' as const;
      })(),
    ]);
    ended = true;
    sweep(mark);
    await closed;
    const failure = lines.find(({ state }) => state === 'failed');
    if (failure !== undefined) return { lines, failed: failure };
    if (code === 0) return { lines, failed: null };
    return { lines, failed: { file: running(), title: code === 'silent' ? SILENCE : 'an error outside of a test' } };
  };

  return {
    root,
    async apply({ file, start, end, replacement }) {
      const inSource = join(root, file);
      const inDist = join(root, 'dist', file.replace(/ts$/, 'js'));
      // dist has the agent's entry in one piece, and only those other files that an entry of the package reaches.
      const isBuilt = existsSync(inDist);
      const kept = [inSource, ...(isBuilt ? [inDist] : []), ...BUNDLE.map(name => join(root, name))].map(
        path => [path, readFileSync(path, 'utf8')] as const,
      );
      const restore = (): void => {
        for (const [path, text] of kept) writeFileSync(path, text);
      };
      const source = kept[0]![1];
      const changed = source.slice(0, start) + replacement + source.slice(end);
      const { code } = await transformWithOxc(changed, inSource, { sourcemap: false });
      writeFileSync(inSource, changed);
      execFileSync(process.execPath, ['bundle.js'], { cwd: root });
      if (isBuilt) writeFileSync(inDist, code.replaceAll(/(from |import |import\()(["']\.[^"']*)\.ts(["'])/g, '$1$2.js$3'));
      return restore;
    },
    run: (files, silenceOf) => run(files, silenceOf, 1, '--bail=1'),
    runTogether: (files, silenceOf) => run(files, silenceOf, 1, '--bail=1', '--no-isolate'),
    end: () => sweep(mark),
    runAll: (files, workers) => run(files, () => LONGEST_TEST, workers),
  };
}
