// `spearlet exec`: starts one agent and runs one execution. Passes stdin, stdout, stderr and the exit code through, byte for byte;
// its own messages go to stderr.

import { milliseconds } from '../config-keys.ts';
import { SpearletError } from '../errors.ts';
import type { Execution, ExecutionUpdate, InstanceSpec, Spearlet, SpearletOptions } from '../index.ts';
import { DEFAULT_MAX_FRAME_BYTES } from '../limits.ts';
import { type Outlet, stderr, stdout } from '../world/stdio.ts';
import { USAGE } from './exit-codes.ts';
import { readConfig } from './file.ts';
import { openInput } from './input.ts';
import { onInterrupt } from './interrupt.ts';
import { errorJson, json, printError, printMessage } from './print.ts';

const TIMEOUT = 124;
const NO_AGENT = 125;
const CANCELLED = 130;
/**
 * The number of outputs that a program may write after the reader of stdout has left. The next output cancels the execution,
 * as SIGPIPE ends a program in a shell's pipe. A program that writes fewer ends by itself and passes its own exit code.
 */
const MAX_UNREAD_OUTPUTS = 16;

export interface ExecOptions {
  readonly json: boolean;
  readonly timeout?: string;
  /** False: stdin is not read. */
  readonly input: boolean;
}

interface Task {
  readonly options: SpearletOptions;
  readonly spec: InstanceSpec;
  readonly limit: number | undefined;
}

function readTask(file: string, { timeout }: ExecOptions): Task {
  const limit = timeout === undefined ? undefined : milliseconds(timeout);
  if (limit === null || limit === 0)
    throw new SpearletError('INVALID_OPTIONS', `--timeout is '${timeout}', expected seconds above 0 or a text like '250ms'`);
  const { options, specs } = readConfig(file);
  const [spec, ...others] = specs;
  if (spec === undefined || others.length > 0) {
    throw new SpearletError('INVALID_CONFIG', `exec runs one agent, but ${file} describes ${others.length + 1}`);
  }
  return { options, spec, limit };
}

/** A process can exit with 0..255 only. A code above that must not become 0, which means success. */
const processCode = (code: number): number => (code === 0 ? 0 : code & 0xff || 1);

function exitCodeOf(error: unknown): number {
  if (!(error instanceof SpearletError)) return NO_AGENT;
  if (error.code === 'EXECUTION_FAILED') return processCode(error.exitCode ?? 1);
  if (error.code === 'EXECUTION_TIMEOUT') return TIMEOUT;
  if (error.code === 'CANCELLED') return CANCELLED;
  if (error.code === 'INVALID_OPTIONS') return USAGE;
  return NO_AGENT;
}

/** A program that has ended with an exit code has said on its stderr why, and an exit code says the rest. */
const saysOnlyItsCode = (error: unknown): boolean =>
  error instanceof SpearletError && error.code === 'EXECUTION_FAILED' && error.error === `exit code ${error.exitCode}`;

/**
 * Writes output to stdout or stderr and waits until a slow reader has taken it, or until the execution is cancelled. Resolves with
 * false if the reader of stdout has left: the output is lost. Any other failure, such as a full disk, also loses the output. It is
 * reported once, the execution goes on, and its exit code counts.
 */
function createWriter({ signal }: AbortController, asJson: boolean): (to: Outlet, output: string | Uint8Array) => Promise<boolean> {
  let reported = false;
  return async (to, output) => {
    to.write(output);
    await to.drained(signal);
    const { failure } = to;
    if (failure === null || signal.aborted || to === stderr) return true;
    if (failure === 'EPIPE' || failure === 'ECONNRESET') return false;
    if (!reported) printMessage({ code: failure, message: 'cannot write to stdout: output of the execution is lost' }, asJson);
    reported = true;
    return true;
  };
}

export async function exec(file: string, command: string, args: string[], options: ExecOptions): Promise<number> {
  const asJson = options.json;
  const aborter = new AbortController();
  let task: Task;
  let spearlet: Spearlet;
  try {
    task = readTask(file, options);
    const { createSpearlet } = await import('../index.ts');
    const defaults = { ports: 0 as const, maxQueuedBytes: DEFAULT_MAX_FRAME_BYTES };
    spearlet = createSpearlet({ ...defaults, ...task.options, logger: false });
  } catch (error) {
    printError(error, asJson);
    return USAGE;
  }
  const off = onInterrupt(again => {
    aborter.abort();
    if (again) void spearlet.stop({ grace: 0 });
  });
  const write = createWriter(aborter, asJson);
  const stdin = options.input
    ? openInput(() => printMessage({ code: 'INPUT_LOST', message: 'stdin began after the command: the command does not get it' }, asJson))
    : null;
  let unreadOutputs = 0;

  const pass = async (execution: Execution<string | Buffer>): Promise<void> => {
    for await (const update of execution as AsyncIterable<ExecutionUpdate<string | Buffer>>) {
      const { output, channel, gap } = update;
      if (gap !== undefined && !asJson)
        printMessage(
          { code: 'OUTPUT_LOST', message: `${gap.to - gap.from} bytes of output are missing here: the connection was lost` },
          false,
        );
      if (!asJson && output === undefined) continue;
      const read = asJson ? await write(stdout, `${json(update)}\n`) : await write(channel === 'stderr' ? stderr : stdout, output!);
      if (!read && output !== undefined) unreadOutputs += 1;
      if (unreadOutputs > MAX_UNREAD_OUTPUTS) aborter.abort();
    }
  };
  try {
    const { signal } = aborter;
    const instance = await spearlet.start(task.spec, { signal });
    const input = await stdin?.taken(signal);
    const request = { command, args, ...(input === undefined ? {} : { input }) };
    const more = { signal, ...(task.limit === undefined ? {} : { timeout: task.limit }) };
    let execution: Execution<string | Buffer> = asJson
      ? instance.execute(request, more)
      : instance.execute(request, { ...more, encoding: 'buffer' });
    try {
      await pass(execution);
    } catch (error) {
      // Wire v1 carries text only. Nothing was sent.
      if (asJson || !(error instanceof SpearletError) || error.code !== 'UNSUPPORTED') throw error;
      execution = instance.execute(request, more);
      await pass(execution);
    }
    const result = await execution.result;
    if (asJson) await write(stdout, `${json({ ...result, code: 'COMPLETED' })}\n`);
    return processCode(result.exitCode ?? 0);
  } catch (error) {
    if (asJson) await write(stdout, `${json(errorJson(error))}\n`);
    else if (!saysOnlyItsCode(error)) printError(error, false);
    return exitCodeOf(error);
  } finally {
    stdin?.close();
    await spearlet.stop();
    off();
  }
}
