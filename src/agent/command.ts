// The handler that runs the command of a request as a child process, so that any program can be used without an SDK. Each
// program has its own process group. If its execution has to end, the program and all its descendants end first. If it ends by
// itself, what it has left in the background is ended after it, unless the request keeps it.
import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { reasonOf, SpearletError } from '../errors.ts';
import { type Death, watchDeath } from '../world/exit.ts';
import { alarm, defer, id } from './clock.ts';
import { environmentOfChild } from './environment.ts';
import { type ExecutionTree, killTrees, trackTree } from './execution-tree.ts';
import type { Handler } from './handler.ts';
import { refusalOf, startFailure } from './refused-command.ts';
import type { HandlerResult } from './result.ts';
import { createLossyDecoder, type LossyDecoder } from './text.ts';

/** The time between SIGTERM and SIGKILL for a cancelled program, in ms. */
const CANCEL_GRACE = 1_000;
/** The same for what a program has left in the background, in ms. */
const BACKGROUND_GRACE = 500;
/**
 * When a program has ended, all that it wrote is in its pipes, before what its descendants write later. So its output is complete when
 * nothing has come for `turns` turns of the event loop, each of which reads what is there, or when `bytes` bytes have come.
 */
const COMPLETE = { turns: 3, bytes: 2 * 2 ** 20 };
/** The exit code of timeout(1). */
const TIMED_OUT = 124;

const running = new Set<ExecutionTree>();
process.on('exit', () => {
  killTrees(running);
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
    // The stream was destroyed after the end of the program. The output before that counts.
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

/** Says what the answer of an execution cannot say. */
export type Report = (taskId: string, code: 'OUTPUT_REPLACED' | 'PROCESSES_LEFT', message: string) => void;

const unended = (count: number): string => `processes that could not be ended: ${count}`;

/** The handler of all commands. */
export const commandHandler =
  (report: Report): Handler =>
  (request, { signal, write, carriesBytes }) => {
    const refusal = refusalOf(request);
    if (refusal !== null) return refusal;
    const { taskId, command, args, env, input, settings = {} } = request;
    return new Promise<HandlerResult>((resolve, reject) => {
      const executionId = id();
      const environment = environmentOfChild(process.env, env, executionId);
      let child: ChildProcess;
      try {
        child = spawn(command, [...args], {
          cwd: settings.workingDirectory,
          env: environment,
          detached: true,
          stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
        });
      } catch (thrown) {
        return resolve(startFailure(command, thrown));
      }
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
      const timeoutAlarm = alarm();
      let ending: Promise<number> | null = null;
      let failure: unknown = null;
      let timedOut: { exitCode: number; error: string } | null = null;
      /** Writes that the host has not taken yet. */
      let pendingWrites = 0;
      /** Changes whenever output has come or was sent. */
      let progress = 0;
      let forwardedBytes = 0;
      /** The answer is sent. Later output of kept processes is read and dropped, so that a full pipe does not block them. */
      let isAnswered = false;
      /** Called when no write is pending any more. */
      let written = (): void => {};

      const end = (): void => {
        ending ??= tree?.end(CANCEL_GRACE) ?? null;
      };
      const endRest = async (): Promise<void> => {
        const survivors = settings.background === 'keep' ? 0 : ((await tree?.endRest(BACKGROUND_GRACE)) ?? 0);
        if (survivors > 0) report(taskId, 'PROCESSES_LEFT', unended(survivors));
        if (tree !== null) unregister(tree);
      };
      const finish = async (result: () => HandlerResult): Promise<void> => {
        timeoutAlarm.clear();
        const isEnded = ending !== null;
        const survivors = (await ending) ?? 0;
        signal.removeEventListener('abort', end);
        if (isEnded && tree !== null) unregister(tree);
        else void endRest();
        const reason = signal.aborted ? signal.reason : failure;
        const left = survivors === 0 ? '' : `; ${unended(survivors)}`;
        if (reason === null) resolve(timedOut === null ? result() : { ...timedOut, error: timedOut.error + left });
        else reject(left === '' ? reason : new SpearletError('CANCELLED', reasonOf(reason) + left, { cause: reason }));
      };

      if (tree !== null) register(tree);
      signal.addEventListener('abort', end, { once: true });
      if (settings.timeout !== undefined)
        timeoutAlarm.set(settings.timeout, () => {
          timedOut = { exitCode: TIMED_OUT, error: `the program did not end within its timeout of ${settings.timeout} ms` };
          end();
        });
      child.once('error', error => void finish(() => startFailure(command, error)));
      const forwarded = Promise.all(
        streams.map((stream, i) =>
          forward(
            stream,
            decoders[i] ?? null,
            async output => {
              if (isAnswered) return;
              forwardedBytes += output.length;
              await write(output, { channel: channels[i]! });
            },
            change => {
              pendingWrites += change;
              progress += 1;
              if (pendingWrites === 0) written();
            },
          ).catch(error => {
            // Nobody can receive the output any more.
            failure ??= error;
            stream.destroy();
            end();
          }),
        ),
      );
      /** Descendants may hold the pipes open for ever. */
      const closeOutput = async (): Promise<void> => {
        if (settings.background !== 'keep') {
          for (const stream of streams) stream.destroy();
          return;
        }
        const rests = decoders.map((decoder, i) => ({ rest: decoder.end(), channel: channels[i]! }));
        isAnswered = true;
        for (const { rest, channel } of rests) if (rest !== '') await write(rest, { channel });
        // These streams must not keep the agent alive.
        for (const stream of streams) (stream as Socket).unref();
      };
      child.once('exit', (code, name) => {
        timeoutAlarm.clear();
        const complete = new Promise<void>(resolve => {
          let [turns, before, isChecking] = [0, progress, false];
          const bytesBefore = forwardedBytes;
          const checkLater = (): void => {
            if (!isChecking) defer(check);
            isChecking = true;
          };
          const check = (): void => {
            isChecking = false;
            const isEnough = forwardedBytes - bytesBefore >= COMPLETE.bytes;
            if (pendingWrites > 0 && !isEnough) return;
            turns = progress === before ? turns + 1 : 0;
            before = progress;
            if (turns < COMPLETE.turns && !isEnough) return checkLater();
            written = () => {};
            resolve(closeOutput());
          };
          written = checkLater;
          checkLater();
        });
        // After closeOutput() of the default both are settled.
        void (settings.background === 'keep' ? Promise.race([forwarded, complete]) : forwarded).then(() =>
          finish(() => {
            const status = statusOf(code, name, code === 0 ? death() : null) as { exitCode: number; error?: string };
            const replaced = describeReplaced(decoders);
            if (replaced === '') return status;
            // A Completed answer has no error text, so the sentence goes to stderr of the agent.
            report(taskId, 'OUTPUT_REPLACED', replaced);
            return status.error === undefined ? status : { ...status, error: `${status.error}; ${replaced}` };
          }),
        );
      });
      if (signal.aborted) end();
    });
  };
