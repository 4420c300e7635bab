// Programs as the system knows them: spawned in a group of their own, signalled as a group, seen when they exit, ended
// with all that came of them. It knows nothing of instances. The only file that touches node:child_process.
import { spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import type { Clock } from '../world/clock.ts';
import { type Exit, watchDeath } from '../world/exit.ts';
import { exitInside, findInside } from './containment/namespace.ts';
import type { Channel } from './output/output.ts';
import { release } from './output/release.ts';
import type { Spawn } from './program.ts';
import { processTable } from './tree/proc-table.ts';
import type { Ending, Trees } from './tree/tree.ts';

/** How long the system may take to let go of a killed program, in ms: one that is stuck in the kernel may stay for ever. */
const LET_GO = 2_000;

/** With `trees`, what came of a program is ended with it; without, its process group. */
export const createSpawn =
  (trees: Trees | null, clock: Clock | null): Spawn =>
  (program, output, events) => {
    const { namespace } = program;
    const { command, args, workingDirectory, environment } = namespace === undefined ? program : namespace.wrap(program);
    const child = spawn(command, [...args], {
      cwd: workingDirectory,
      env: environment,
      // A session and group of its own: a signal reaches its children too, and Ctrl-C in our terminal does not reach it.
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const { pid } = child;
    const tree = trees !== null && pid !== undefined ? trees.track(environment.SPEARLET_INSTANCE_ID ?? '', pid) : null;
    let live = true;
    let exited = false;
    let announced = false;
    let own = pid;

    const signalGroup = (name: 'SIGTERM' | 'SIGKILL'): void => {
      if (pid === undefined) return;
      // After its exit the number may be somebody else's by now; a group that is left keeps it from being given out.
      if (exited && processTable.exists(pid)) return;
      processTable.signalGroup(pid, name);
    };
    const endTree = (): Promise<Ending> | null => {
      if (tree === null) signalGroup('SIGKILL');
      return tree?.end() ?? null;
    };
    const announce = (number: number): void => {
      if (announced) return;
      announced = true;
      own = number;
      if (live) events.spawned(number);
    };

    // The agent's stdin is held open and never written: its end tells the agent that its host is gone.
    child.on('error', error => {
      if (live && pid === undefined) events.failed(error);
    });
    // Without file descriptors left there are no streams, whatever the types say.
    const streams: (Readable | Writable | undefined)[] = [child.stdin, child.stdout, child.stderr];
    for (const stream of streams) stream?.on('error', () => {});
    const read = (channel: Channel) => (chunk: Buffer) => {
      output.add(channel, chunk);
      release(chunk);
    };
    child.stdout?.on('data', read('stdout'));
    child.stderr?.on('data', read('stderr'));
    const death = watchDeath(
      pid,
      [child.stdout, child.stderr].filter(stream => stream !== undefined),
      'end',
    );
    child.once('exit', (exitCode, name) => {
      const signal = name ?? (exitCode === 0 ? (death()?.name ?? null) : null);
      const exit: Exit = { exitCode: signal === null ? exitCode : null, signal };
      announce(pid!);
      exited = true;
      // What it left has no parent to answer to.
      const ending = endTree();
      if (live) events.exited(namespace === undefined ? exit : exitInside(exit));
      void ending?.then(each => {
        if (live) events.ended?.(each);
      });
    });
    const gone = new Promise<void>(resolve => {
      child.once('close', () => {
        if (live && exited) events.closed();
        resolve();
      });
    });
    if (pid !== undefined) {
      if (namespace === undefined || tree === null || trees === null || clock === null) announce(pid);
      else void findInside(tree, trees.scanner, clock, () => exited || !live).then(found => announce(found?.pid ?? pid));
    }

    return {
      tree,
      signal(name) {
        if (exited) return;
        if (name === 'SIGKILL') return void endTree();
        signalGroup(name);
        // Inside a namespace it may have left the group, which it did not lead.
        const member = own === pid || own === undefined ? undefined : tree?.members.get(own);
        if (member !== undefined && processTable.groupOf(member) !== pid) processTable.signal(member, name);
      },
      async dispose() {
        live = false;
        const ending = exited ? tree?.end() : endTree();
        for (const stream of streams) stream?.destroy();
        if (pid === undefined) return;
        await Promise.all([ending, within(gone)]);
      },
    };
  };

/** `close` is not waited for without a bound. */
async function within(gone: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const bound = new Promise<void>(resolve => {
    timer = setTimeout(resolve, LET_GO);
  });
  await Promise.race([gone, bound]);
  clearTimeout(timer);
}

/** Ends groups only. */
export const spawnProgram: Spawn = createSpawn(null, null);
