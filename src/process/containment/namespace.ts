// A pid namespace of its own around a program: whatever it starts dies with it, and all of it with the host, even by
// kill -9. Made by setpriv and unshare of util-linux; whether they work here is tried, not assumed. Knows no instance.
import { isMainThread } from 'node:worker_threads';
import { reasonOf, SpearletError } from '../../errors.ts';
import type { Clock } from '../../world/clock.ts';
import { type Exit, signalName } from '../../world/exit.ts';
import { findProgram } from '../environment.ts';
import { createOutput } from '../output/output.ts';
import type { Program, Spawn, Wrapper } from '../program.ts';
import type { ProcessEntry } from '../tree/proc-table.ts';
import type { Scanner } from '../tree/scan.ts';
import type { Tree } from '../tree/tree.ts';

export interface Namespace extends Wrapper {
  readonly works: boolean;
  /** Why there is no namespace, for people. */
  readonly why: string;
}

/**
 * Dies with the thread that has forked it, and looks whether that was too late: then its parent is not the host any more.
 * A worker thread may end before its process, so only the main thread may do this.
 */
const GUARD = 'test "$PPID" = "$1" || exit 125; shift; exec "$@"';
/**
 * The first process of the namespace. It waits for the program, and so reaps whoever loses their parent; when it exits the
 * kernel kills all that is left. It ignores SIGTERM, as any first process that has no handler: the program gets it
 * directly, as a member of the same group. Its own stderr is closed: shells comment on deaths by signal. What a shell
 * adds to an environment is taken away.
 */
const FIRST = 'exec 3>&2 2>/dev/null; (exec "$@" 2>&3 3>&-); exit $?';
const ADDED = ['PWD', 'OLDPWD', 'SHLVL'];
/** How long the trial may take, in ms. */
const TRIAL = 5_000;
/** How often one looks for the program inside, in ms, and how often at most: a spawn takes 5 ms. */
const LOOK = 2;
const LOOKS = 250;
/** Takes SIGTERM, leaves a daemon, and says which pid it sees itself by. */
const TRIED = 'trap "exit 42" TERM; setsid sleep 60 & echo "$$ $(cat /proc/$$/comm)"; wait; wait';

/** A shell says 128 + n for a death by signal n. A program that exits with such a code of its own is taken for one. */
export function exitInside({ exitCode, signal }: Exit): Exit {
  const name = exitCode === null ? undefined : signalName(exitCode - 128);
  return name === undefined ? { exitCode, signal } : { exitCode: null, signal: name };
}

function createWrap(paths: { setpriv: string; unshare: string; sh: string }, asRoot: boolean): Namespace['wrap'] {
  return program => {
    const { command, args, environment } = program;
    const odd = Object.keys(environment).find(name => !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name));
    if (odd !== undefined) {
      throw new SpearletError('SPAWN_FAILED', `the environment's '${odd}' does not pass into a namespace`, {
        hint: 'Names of letters, digits and underscores do. Rename it, or do without containment.',
      });
    }
    const added = ADDED.filter(name => !(name in environment));
    const first = added.length > 0 ? `unset ${added.join(' ')}; ${FIRST}` : FIRST;
    // Root keeps its rights; anybody else needs a user namespace to be allowed a pid namespace, and stays who they are.
    const user = asRoot ? [] : ['--user', '--map-current-user'];
    // With a /proc of its own the pids that it reads there are those that it sees. What the host mounts later is seen too.
    const unshare = [paths.unshare, ...user, '--pid', '--fork', '--kill-child=KILL', '--mount-proc', '--propagation', 'slave', '--'];
    return {
      ...program,
      command: paths.setpriv,
      args: [
        ...['--pdeathsig', 'KILL', '--', paths.sh, '-c', GUARD, 'spearlet', String(process.pid)],
        ...[...unshare, paths.sh, '-c', first, 'spearlet', command, ...args],
      ],
    };
  };
}

/** One real run: it must report its own exit after SIGTERM, see its own pids, and take its daemon with it. */
function attempt(spawn: Spawn, clock: Clock, program: Program): Promise<string> {
  return new Promise(resolve => {
    let text = '';
    const followers = new Set([
      {
        next(chunk: { text: string }) {
          text += chunk.text;
          if (text.includes('\n')) running.signal('SIGTERM');
        },
      },
    ]);
    let exit: Exit | null = null;
    const output = createOutput(4_096, followers);
    const finish = (why: string): void => {
      clock.clearTimeout(timer);
      void running.dispose();
      resolve(why);
    };
    const timer = clock.setTimeout(() => finish(`a trial took longer than ${TRIAL} ms: ${text}`), TRIAL);
    const running = spawn(program, output, {
      spawned() {},
      failed: error => finish(reasonOf(error)),
      exited(exited) {
        exit = exited;
      },
      closed() {
        // Its daemon has let go of its output, so it is gone.
        if (exit?.exitCode === 42 && /^\d+ sh/.test(text)) finish('');
        else finish(text.trim() || `a trial ended with ${exit?.signal ?? `exit code ${exit?.exitCode}`}`);
      },
    });
  });
}

/** Tries once whether a namespace can be had here. Never rejects. */
export async function probeNamespace(spawn: Spawn, clock: Clock, environment: Readonly<Record<string, string>>): Promise<Namespace> {
  const not = (why: string): Namespace => ({
    works: false,
    why,
    wrap() {
      throw new SpearletError('SPAWN_FAILED', `no namespace can be had here: ${why}`);
    },
  });
  if (process.platform !== 'linux') return not('there are pid namespaces on Linux only');
  if (!isMainThread) return not('in a worker thread programs would end with the thread');
  try {
    const find = (name: string): string => findProgram(name, '/', environment);
    const wrap = createWrap({ setpriv: find('setpriv'), unshare: find('unshare'), sh: find('sh') }, process.getuid?.() === 0);
    const program = { command: find('sh'), args: ['-c', TRIED], workingDirectory: '/', environment };
    const why = await attempt(spawn, clock, wrap(program));
    return why === '' ? { works: true, why, wrap } : not(why);
  } catch (thrown) {
    return not(reasonOf(thrown));
  }
}

/** The program itself among what the wrapper has started: the first child of its only child. */
function inside(tree: Tree): ProcessEntry | undefined {
  const members = [...tree.members.values()];
  const first = members.find(({ parent }) => parent === tree.root.pid);
  // Whoever loses their parent becomes a child of the first process too, but later.
  const children = members.filter(({ parent }) => parent === first?.pid).sort((a, b) => a.startTime - b.startTime || a.pid - b.pid);
  return children[0];
}

/** Resolves with the program's own process, as the host sees it; null if it is gone before it was seen. */
export async function findInside(tree: Tree, scanner: Scanner, clock: Clock, gone: () => boolean): Promise<ProcessEntry | null> {
  for (let looks = 0; looks < LOOKS && !gone(); looks += 1) {
    if (!scanner.scanNew(tree.root.pid)) await scanner.scan();
    const found = inside(tree);
    if (found !== undefined) return found;
    await new Promise<void>(resolve => void clock.setTimeout(resolve, LOOK));
  }
  return null;
}
