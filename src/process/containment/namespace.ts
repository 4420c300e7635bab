// Runs a program inside a pid namespace of its own: its descendants die with it, and all of them die with the host, even by
// kill -9. setpriv and unshare of util-linux make the namespace; a trial run shows whether they work here. It knows no
// instance.
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
 * setpriv ties the program to the thread that has forked it. The host may have died before setpriv ran; then the parent is
 * another process, and the guard exits. Only the main thread may spawn: a worker thread may end before its process.
 */
const GUARD = 'test "$PPID" = "$1" || exit 125; shift; exec "$@"';
/**
 * The script of the first process of the namespace. It waits for the program, and reaps processes that lose their parent;
 * when it exits, the kernel kills all other processes. Like every first process without a handler it ignores SIGTERM; the
 * program is in the same group, and gets SIGTERM directly. Its stderr is closed, since shells comment on deaths by signal.
 * Descriptor 3 may be a socket that the program inherits; this shell holds it, too, as long as the program lives.
 * The variables that a shell adds to the environment are removed.
 */
const FIRST = 'exec 9>&2 2>/dev/null; (exec "$@" 2>&9 9>&-); exit $?';
const ADDED = ['PWD', 'OLDPWD', 'SHLVL'];
/** How long the trial run may take, in ms. */
const TRIAL_TIMEOUT = 5_000;
/** The wait between two scans for the program inside, in ms, and the most scans: a spawn takes 5 ms. */
const SCAN_INTERVAL = 2;
const MAX_SCANS = 250;
/** The program of the trial run: handles SIGTERM, leaves a daemon, and prints its own pid as seen inside. */
const TRIAL_SCRIPT = 'trap "exit 42" TERM; setsid sleep 60 & echo "$$ $(cat /proc/$$/comm)"; wait; wait';

/**
 * The exit of the program, from that of the shell around it: a shell reports a death by signal n as exit code 128 + n. The
 * limit: a program that exits with such a code by itself counts as killed by that signal.
 */
export function exitInside({ exitCode, signal }: Exit): Exit {
  const name = exitCode === null ? undefined : signalName(exitCode - 128);
  return name === undefined ? { exitCode, signal } : { exitCode: null, signal: name };
}

function createWrap(paths: { setpriv: string; unshare: string; sh: string }, asRoot: boolean): Namespace['wrap'] {
  return program => {
    const { command, args, environment } = program;
    const unexpected = Object.keys(environment).find(name => !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name));
    if (unexpected !== undefined) {
      throw new SpearletError('SPAWN_FAILED', `the environment variable '${unexpected}' cannot be passed into a namespace`, {
        hint: 'A shell passes on only names of letters, digits and underscores. Rename the variable, or do without a namespace.',
      });
    }
    const added = ADDED.filter(name => !(name in environment));
    const first = added.length > 0 ? `unset ${added.join(' ')}; ${FIRST}` : FIRST;
    // Root may make a pid namespace. Another user needs a user namespace for that, and keeps its user id inside.
    const user = asRoot ? [] : ['--user', '--map-current-user'];
    // A /proc of its own shows the pids of the namespace. `slave`: later mounts of the host are visible inside.
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

/**
 * One trial run; resolves with why it failed, or ''. The program must exit by itself after SIGTERM, see the pids of its
 * namespace, and its daemon must end with it.
 */
function runTrial(spawn: Spawn, clock: Clock, program: Program): Promise<string> {
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
    const timer = clock.setTimeout(() => finish(`a trial took longer than ${TRIAL_TIMEOUT} ms: ${text}`), TRIAL_TIMEOUT);
    const running = spawn(program, output, {
      spawned() {},
      failed: error => finish(reasonOf(error)),
      exited(exited) {
        exit = exited;
      },
      closed() {
        // The daemon held the output open, so it is gone.
        if (exit?.exitCode === 42 && /^\d+ sh/.test(text)) finish('');
        else finish(text.trim() || `a trial ended with ${exit?.signal ?? `exit code ${exit?.exitCode}`}`);
      },
    });
  });
}

/** Tries once whether namespaces work here. Never rejects. */
export async function probeNamespace(spawn: Spawn, clock: Clock, environment: Readonly<Record<string, string>>): Promise<Namespace> {
  const unavailable = (why: string): Namespace => ({
    works: false,
    why,
    wrap() {
      throw new SpearletError('SPAWN_FAILED', `a namespace is not available here: ${why}`);
    },
  });
  if (process.platform !== 'linux') return unavailable('pid namespaces exist only on Linux');
  if (!isMainThread) return unavailable('in a worker thread programs would end with the thread');
  try {
    const find = (name: string): string => findProgram(name, '/', environment);
    const wrap = createWrap({ setpriv: find('setpriv'), unshare: find('unshare'), sh: find('sh') }, process.getuid?.() === 0);
    const program = { command: find('sh'), args: ['-c', TRIAL_SCRIPT], workingDirectory: '/', environment, inheritsSocket: false };
    const why = await runTrial(spawn, clock, wrap(program));
    return why === '' ? { works: true, why, wrap } : unavailable(why);
  } catch (thrown) {
    return unavailable(reasonOf(thrown));
  }
}

/** The program itself among the processes of its wrapper: the first child of the wrapper's only child. */
function programInside(tree: Tree): ProcessEntry | undefined {
  const members = [...tree.members.values()];
  const first = members.find(({ parent }) => parent === tree.root.pid);
  // A process that loses its parent also becomes a child of the first process, but later.
  const children = members.filter(({ parent }) => parent === first?.pid).sort((a, b) => a.startTime - b.startTime || a.pid - b.pid);
  return children[0];
}

/** Resolves with the program's own process, as the host sees it; null where it is gone before a scan has found it. */
export async function findInside(tree: Tree, scanner: Scanner, clock: Clock, gone: () => boolean): Promise<ProcessEntry | null> {
  for (let scans = 0; scans < MAX_SCANS && !gone(); scans += 1) {
    if (!scanner.scanNew(tree.root.pid)) await scanner.scan();
    const found = programInside(tree);
    if (found !== undefined) return found;
    await new Promise<void>(resolve => void clock.setTimeout(resolve, SCAN_INTERVAL));
  }
  return null;
}
