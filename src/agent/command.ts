// The handler that runs the command of a request as a child process, so that any program can be used without an SDK. Each
// program has its own process group. If its execution has to end, the program and all its descendants end first.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { reasonOf, SpearletError } from '../errors.ts';
import { type Death, watchDeath } from '../world/exit.ts';
import { alarm, id } from './clock.ts';
import { environmentOfChild } from './environment.ts';
import { type ExecutionTree, trackTree } from './execution-tree.ts';
import type { Handler } from './handler.ts';
import type { HandlerResult } from './result.ts';
import { createLossyDecoder, type LossyDecoder } from './text.ts';

/** The time between SIGTERM and SIGKILL for a cancelled program, in ms. */
const CANCEL_GRACE = 1_000;
/** After the program's end its pipes are read until nothing has come for this time: its descendants may hold them open. In ms. */
const DRAIN_IDLE = 250;

const running = new Set<ExecutionTree>();
process.on('exit', () => {
  for (const tree of running) tree.killNow();
});

/**
 * A terminal sends these to its foreground group, in which the programs are not. So the agent turns the first one into its own
 * SIGTERM, which ends the programs with their grace. The second one ends all at once.
 */
const INTERRUPTS = ['SIGINT', 'SIGHUP', 'SIGQUIT'] as const;
let interrupted = false;
const interrupt = (name: NodeJS.Signals): void => {
  if (interrupted) process.exit(128 + constants.signals[name]);
  interrupted = true;
  process.kill(process.pid, 'SIGTERM');
};
/** Without a running program the agent does not handle these signals: they then end it, as Node does by default. */
function register(tree: ExecutionTree): void {
  if (running.size === 0) for (const name of INTERRUPTS) process.on(name, interrupt);
  running.add(tree);
}
function unregister(tree: ExecutionTree): void {
  running.delete(tree);
  if (running.size === 0) for (const name of INTERRUPTS) process.off(name, interrupt);
}

/** Sends the output of a stream as Running updates, one after another. Calls `writing` before and after each write. */
async function forward(
  stream: Readable,
  decoder: LossyDecoder | null,
  write: (output: string | Buffer) => Promise<void>,
  writing: (change: 1 | -1) => void,
): Promise<void> {
  const send = async (output: string | Buffer): Promise<void> => {
    writing(1);
    try {
      if (output.length > 0) await write(output);
    } finally {
      writing(-1);
    }
  };
  try {
    for await (const chunk of stream) await send(decoder === null ? (chunk as Buffer) : decoder.add(chunk as Buffer));
  } catch (error) {
    // The stream was destroyed because it was idle. The output before that counts.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  }
  if (decoder !== null) await send(decoder.end());
}

const statusOf = (code: number | null, signal: NodeJS.Signals | null, death: Death | null): HandlerResult => {
  if (signal !== null) return { exitCode: 128 + constants.signals[signal], error: `ended by ${signal}` };
  if (death !== null) return { exitCode: 128 + death.number, error: `ended by ${death.name}` };
  return code === 0 ? { exitCode: 0 } : { exitCode: code ?? 1, error: `exit code ${code}` };
};

/** A sentence about bytes that were not UTF-8. Empty: there were none. */
function describeReplaced(decoders: readonly LossyDecoder[]): string {
  const count = decoders.reduce((sum, { replaced }) => sum + replaced, 0);
  if (count === 0) return '';
  const [sequences, were, are] = count === 1 ? ['sequence', 'was', 'is'] : ['sequences', 'were', 'are'];
  return `${count} byte ${sequences} of its output ${were} not UTF-8 and ${are} shown as U+FFFD`;
}

export const runCommand: Handler = ({ taskId, command, args, env, input }, { signal, write, carriesBytes }) =>
  new Promise<HandlerResult>((resolve, reject) => {
    const executionId = id();
    const environment = environmentOfChild(process.env, env, executionId);
    const child = spawn(command, [...args], {
      env: environment,
      detached: true,
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    // A program that does not read its input, or ends before it has, is no error.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
    const { pid } = child;
    const tree = pid === undefined ? null : trackTree(pid, executionId);
    // If the process has no free file descriptors, there are no streams, although the types say so.
    const channels = (['stdout', 'stderr'] as const).filter(channel => child[channel] != null);
    const streams = channels.map(channel => child[channel]!);
    // Wire v1 carries text only.
    const decoders = carriesBytes ? [] : streams.map(createLossyDecoder);
    const death = watchDeath(pid, streams, 'readable');
    const drainAlarm = alarm();
    let ending: Promise<number> | null = null;
    let failure: unknown = null;
    /** Writes that the host has not taken yet. */
    let pendingWrites = 0;
    /** Changes whenever output has come or was sent. */
    let progress = 0;

    const end = (): void => {
      ending ??= tree?.end(CANCEL_GRACE) ?? null;
    };
    const finish = async (result: () => HandlerResult): Promise<void> => {
      drainAlarm.clear();
      const survivors = (await ending) ?? 0;
      if (tree !== null) unregister(tree);
      signal.removeEventListener('abort', end);
      const reason = signal.aborted ? signal.reason : failure;
      if (survivors === 0) return reason === null ? resolve(result()) : reject(reason);
      const message = `${reasonOf(reason)}; processes that could not be ended: ${survivors}`;
      reject(new SpearletError('CANCELLED', message, { cause: reason }));
    };

    if (tree !== null) register(tree);
    signal.addEventListener('abort', end, { once: true });
    child.once('error', error => {
      const { code } = error as NodeJS.ErrnoException;
      const shellCode = { ENOENT: 127, EACCES: 126 }[code ?? ''];
      void finish(() => ({ exitCode: shellCode ?? 125, error: `'${command}' could not be started: ${reasonOf(error)}` }));
    });
    const forwarded = streams.map((stream, i) =>
      forward(
        stream,
        decoders[i] ?? null,
        output => write(output, { channel: channels[i]! }),
        change => {
          pendingWrites += change;
          progress += 1;
        },
      ).catch(error => {
        // Nobody can receive the output any more.
        failure ??= error;
        stream.destroy();
        end();
      }),
    );
    child.once('exit', (code, name) => {
      // Descendants may hold the pipes open for ever. So the pipes are closed when all is sent and nothing more comes.
      const closeWhenIdle = (): void => {
        const before = progress;
        drainAlarm.set(DRAIN_IDLE, () => {
          if (pendingWrites > 0 || progress !== before) return closeWhenIdle();
          for (const stream of streams) stream.destroy();
        });
      };
      closeWhenIdle();
      void Promise.all(forwarded).then(() =>
        finish(() => {
          const status = statusOf(code, name, code === 0 ? death() : null) as { exitCode: number; error?: string };
          const replaced = describeReplaced(decoders);
          if (replaced === '') return status;
          // A Completed answer has no error text, so it is said on stderr of the agent.
          process.stderr.write(`spearlet agent: task ${JSON.stringify(taskId)}: ${replaced}\n`);
          return status.error === undefined ? status : { ...status, error: `${status.error}; ${replaced}` };
        }),
      );
    });
    if (signal.aborted) end();
  });
