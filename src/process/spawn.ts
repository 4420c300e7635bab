// Spawns a program in a process group of its own, signals the group, reports its exit, and ends its tree. It knows no
// instance. Of the host's files, only this one uses node:child_process.
import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { INHERITED } from '../transport/inherited.ts';
import { socketStream } from '../transport/socket.ts';
import type { Clock } from '../world/clock.ts';
import { type Exit, watchDeath } from '../world/exit.ts';
import { exitInside, findInside } from './containment/namespace.ts';
import type { Channel } from './output/output.ts';
import { release } from './output/release.ts';
import type { Spawn } from './program.ts';
import { processTable } from './tree/proc-table.ts';
import type { Ending, Trees } from './tree/tree.ts';

/** How long the system may take to release a killed program, in ms: a program that is stuck in the kernel may never go. */
const RELEASE_TIMEOUT = 2_000;

/** With `trees`, the whole tree of a program is ended with it; without, only its process group. */
export const createSpawn =
  (trees: Trees | null, clock: Clock | null): Spawn =>
  (program, output, events) => {
    const { namespace, inheritsSocket } = program;
    const { command, args, workingDirectory, environment } = namespace === undefined ? program : namespace.wrap(program);
    const child = spawn(command, [...args], {
      cwd: workingDirectory,
      env: environment,
      // A session and group of its own: a signal to the group also reaches children, and Ctrl-C in our terminal does not.
      detached: true,
      // On Unix a pipe of Node is a pair of sockets, and so carries bytes in both directions.
      stdio: ['pipe', 'pipe', 'pipe', ...(inheritsSocket ? (['pipe'] as const) : [])],
    });
    const { pid } = child;
    const tree = trees !== null && pid !== undefined ? trees.track(environment.SPEARLET_INSTANCE_ID ?? '', pid) : null;
    let live = true;
    let exited = false;
    let announced = false;

    const signalGroup = (name: NodeJS.Signals): void => {
      if (pid === undefined) return;
      // After the exit the pid may name another process. While processes are left in the group, the system does not reuse it.
      if (exited && processTable.exists(pid)) return;
      processTable.signalGroup(pid, name);
    };
    const endTree = (): Promise<Ending> | null => {
      if (tree === null) signalGroup('SIGKILL');
      return tree?.end() ?? null;
    };
    const findsEnd = tree !== null && processTable.works;
    const announce = (number: number): void => {
      if (announced) return;
      announced = true;
      if (live) events.spawned(number);
    };

    // The agent's stdin stays open and is never written to. Its end tells the agent that the host is gone.
    child.on('error', error => {
      if (live && pid === undefined) events.failed(error);
    });
    // Where no file descriptors are left, there are no streams, although their types say so.
    const link = (child.stdio as typeof child.stdio | undefined)?.[INHERITED] as Socket | null | undefined;
    const streams: (Readable | Writable | undefined)[] = [child.stdin, child.stdout, child.stderr, link ?? undefined];
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
      // Where the end of the rest cannot be seen, nothing can be waited for.
      const ending = findsEnd ? null : endTree();
      if (live) events.exited(namespace === undefined ? exit : exitInside(exit));
      void (ending ?? tree?.gone())?.then(each => {
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
      if (link) events.inherited?.(socketStream(link, `fd:${INHERITED}`));
      if (namespace === undefined || tree === null || trees === null || clock === null) announce(pid);
      else void findInside(tree, trees.scanner, clock, () => exited || !live).then(found => announce(found?.pid ?? pid));
    }

    return {
      tree,
      signal(name) {
        if (name === 'SIGKILL') return void endTree();
        if (findsEnd) return void tree.signal(name, namespace !== undefined);
        if (!exited) signalGroup(name);
      },
      async dispose() {
        live = false;
        const ending = exited && !findsEnd ? null : endTree();
        for (const stream of streams) stream?.destroy();
        if (pid === undefined) return;
        await Promise.all([ending, withTimeout(gone)]);
      },
    };
  };

/** Waits for the end of a program, at most RELEASE_TIMEOUT. */
async function withTimeout(gone: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const bound = new Promise<void>(resolve => {
    timer = setTimeout(resolve, RELEASE_TIMEOUT);
  });
  await Promise.race([gone, bound]);
  clearTimeout(timer);
}

/** Ends process groups only. */
export const spawnProgram: Spawn = createSpawn(null, null);
