// The agent that runs programs: command, args and env of a request as a child process. So any program can be used
// without an SDK. Each has a process group of its own, and ends with its execution, with all that came of it.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { reasonOf, SpearletError } from '../errors.ts';
import { type Death, watchDeath } from '../world/exit.ts';
import { alarm, id } from './clock.ts';
import { environmentOfChild } from './environment.ts';
import { type ExecutionTree, plantTree } from './execution-tree.ts';
import type { HandlerResult } from './result.ts';
import type { Handler, HandlerContext } from './serve.ts';
import { createLossyDecoder, type LossyDecoder } from './text.ts';

/** How long a cancelled program has between SIGTERM and SIGKILL, in ms. */
const CANCEL_GRACE = 1_000;
/** How long what a program wrote before its end is still read where others hold its pipes open, in ms. */
const DRAIN = 250;

const running = new Set<ExecutionTree>();
process.on('exit', () => {
  for (const tree of running) tree.endNow();
});

/**
 * From a terminal. The programs are not in its foreground group, so the agent has to pass it on: as SIGTERM, at which it
 * ends them with the grace they have. The second one ends all at once.
 */
const INTERRUPTS = ['SIGINT', 'SIGHUP', 'SIGQUIT'] as const;
let interrupted = false;
const interrupt = (name: NodeJS.Signals): void => {
  if (interrupted) process.exit(128 + constants.signals[name]);
  interrupted = true;
  process.kill(process.pid, 'SIGTERM');
};
/** Without a program in hand there is nothing to pass on: then such a signal ends this process as any other. */
function register(tree: ExecutionTree): void {
  if (running.size === 0) for (const name of INTERRUPTS) process.on(name, interrupt);
  running.add(tree);
}
function unregister(tree: ExecutionTree): void {
  running.delete(tree);
  if (running.size === 0) for (const name of INTERRUPTS) process.off(name, interrupt);
}

/** Sends what a stream says as Running updates, as fast as they are welcome. */
async function forward(stream: Readable, text: LossyDecoder, write: HandlerContext['write'], busy: (by: 1 | -1) => void): Promise<void> {
  const pass = async (piece: string): Promise<void> => {
    busy(1);
    try {
      if (piece !== '') await write(piece);
    } finally {
      busy(-1);
    }
  };
  try {
    for await (const chunk of stream) await pass(text.add(chunk as Buffer));
  } catch (error) {
    // It was let go of: what it said until then counts.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  }
  await pass(text.end());
}

const statusOf = (code: number | null, signal: NodeJS.Signals | null, death: Death | null): HandlerResult => {
  if (signal !== null) return { exitCode: 128 + constants.signals[signal], error: `ended by ${signal}` };
  if (death !== null) return { exitCode: 128 + death.number, error: `ended by ${death.name}` };
  return code === 0 ? { exitCode: 0 } : { exitCode: code ?? 1, error: `exit code ${code}` };
};

/** In words; empty where all was text. */
function replacedIn(decoders: readonly LossyDecoder[]): string {
  const count = decoders.reduce((sum, { replaced }) => sum + replaced, 0);
  if (count === 0) return '';
  const [sequences, were, are] = count === 1 ? ['sequence', 'was', 'is'] : ['sequences', 'were', 'are'];
  return `${count} byte ${sequences} of its output ${were} not UTF-8 and ${are} shown as U+FFFD`;
}

export const runCommand: Handler = ({ taskId, command, args, env }, { signal, write }) =>
  new Promise<HandlerResult>((resolve, reject) => {
    const executionId = id();
    const environment = environmentOfChild(process.env, env, executionId);
    const child = spawn(command, [...args], { env: environment, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    const { pid } = child;
    const tree = pid === undefined ? null : plantTree(pid, executionId);
    // Without file descriptors left there are no streams, whatever the types say.
    const streams = [child.stdout, child.stderr].filter(stream => stream !== undefined);
    const decoders = streams.map(createLossyDecoder);
    const death = watchDeath(pid, streams, 'readable');
    const drainAlarm = alarm();
    let ending: Promise<number> | null = null;
    let trouble: unknown = null;
    let writing = 0;
    let chunks = 0;

    const end = (): void => {
      ending ??= tree?.end(CANCEL_GRACE) ?? null;
    };
    const finish = async (result: () => HandlerResult): Promise<void> => {
      drainAlarm.clear();
      // What came of it ends before the execution does.
      const left = (await ending) ?? 0;
      if (tree !== null) unregister(tree);
      signal.removeEventListener('abort', end);
      const why = signal.aborted ? signal.reason : trouble;
      if (left === 0) return why === null ? resolve(result()) : reject(why);
      reject(new SpearletError('CANCELLED', `${reasonOf(why)}; processes of it that could not be ended: ${left}`, { cause: why }));
    };

    if (tree !== null) register(tree);
    signal.addEventListener('abort', end, { once: true });
    child.once('error', error => {
      const { code } = error as NodeJS.ErrnoException;
      const known = { ENOENT: 127, EACCES: 126 }[code ?? ''];
      void finish(() => ({ exitCode: known ?? 125, error: `'${command}' could not be started: ${reasonOf(error)}` }));
    });
    const forwarded = streams.map((stream, i) =>
      forward(stream, decoders[i]!, write, by => {
        writing += by;
        chunks += 1;
      }).catch(error => {
        // The host is gone: the program has nobody to talk to.
        trouble ??= error;
        stream.destroy();
        end();
      }),
    );
    child.once('exit', (code, name) => {
      // Others may hold its pipes open for ever: they are let go of once nothing comes any more and all is passed on.
      const letGo = (): void => {
        const before = chunks;
        drainAlarm.set(DRAIN, () => {
          if (writing > 0 || chunks !== before) return letGo();
          for (const stream of streams) stream.destroy();
        });
      };
      letGo();
      void Promise.all(forwarded).then(() =>
        finish(() => {
          const status = statusOf(code, name, code === 0 ? death() : null) as { exitCode: number; error?: string };
          const replaced = replacedIn(decoders);
          if (replaced === '') return status;
          // Completed has no error text: whoever reads the agent's stderr sees it at least.
          process.stderr.write(`spearlet agent: task ${JSON.stringify(taskId)}: ${replaced}\n`);
          return status.error === undefined ? status : { ...status, error: `${status.error}; ${replaced}` };
        }),
      );
    });
    if (signal.aborted) end();
  });
