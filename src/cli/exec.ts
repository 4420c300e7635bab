// `spearlet exec`: starts one agent and runs one execution. Prints the output of the execution to stdout and everything else to
// stderr, and exits with the exit code of the execution.

import { createSpearlet, type InstanceSpec, SpearletError } from '../index.ts';
import { stdout } from '../world/stdio.ts';
import { readSpecs } from './file.ts';
import { onInterrupt } from './interrupt.ts';
import { errorJson, json, milliseconds, printError, printMessage } from './print.ts';

const USAGE = 2;
const TIMEOUT = 124;
const NO_AGENT = 125;
const CANCELLED = 130;
/**
 * The number of outputs that a program may write after the reader of stdout has left. The next output cancels the execution,
 * as SIGPIPE ends a program in a shell's pipe. A program that writes fewer ends by itself and passes its own exit code.
 */
const MAX_UNREAD_OUTPUTS = 16;

interface ExecOptions {
  readonly json: boolean;
  readonly timeout?: string;
}

function readTask(file: string, { timeout }: ExecOptions): { spec: InstanceSpec; limit: number | undefined } {
  const limit = timeout === undefined ? undefined : milliseconds(timeout);
  if (limit === null || limit === 0)
    throw new SpearletError('INVALID_OPTIONS', `--timeout is '${timeout}', expected a number of seconds above 0`);
  const [spec, ...others] = readSpecs(file);
  if (spec === undefined || others.length > 0) {
    throw new SpearletError('INVALID_CONFIG', `exec runs one agent, but ${file} describes ${others.length + 1}`);
  }
  return { spec, limit };
}

/** A process can exit with 0..255 only. A code above that must not become 0, which means success. */
const processCode = (code: number): number => (code === 0 ? 0 : code & 0xff || 1);

function exitCodeOf(error: unknown): number {
  if (!(error instanceof SpearletError)) return NO_AGENT;
  if (error.code === 'EXECUTION_FAILED') return processCode(error.exitCode ?? 1);
  if (error.code === 'EXECUTION_TIMEOUT') return TIMEOUT;
  if (error.code === 'CANCELLED') return CANCELLED;
  return NO_AGENT;
}

/**
 * Writes output to stdout and waits until a slow reader has taken it, or until the execution is cancelled. Resolves with false
 * if the reader has left: the output is lost. Any other failure of stdout, such as a full disk, also loses the output. It is
 * reported once, the execution goes on, and its exit code counts.
 */
function createWriter({ signal }: AbortController, asJson: boolean): (text: string) => Promise<boolean> {
  let reported = false;
  return async text => {
    stdout.write(text);
    await stdout.drained(signal);
    const { failure } = stdout;
    if (failure === null || signal.aborted) return true;
    if (failure === 'EPIPE' || failure === 'ECONNRESET') return false;
    if (!reported) printMessage({ code: failure, message: 'cannot write to stdout: output of the execution is lost' }, asJson);
    reported = true;
    return true;
  };
}

export async function exec(file: string, command: string, args: string[], options: ExecOptions): Promise<number> {
  const asJson = options.json;
  let task: ReturnType<typeof readTask>;
  try {
    task = readTask(file, options);
  } catch (error) {
    printError(error, asJson);
    return USAGE;
  }
  const aborter = new AbortController();
  const spearlet = createSpearlet({ logger: false, ports: 0 });
  const off = onInterrupt(again => {
    aborter.abort();
    if (again) void spearlet.stop({ grace: 0 });
  });
  const write = createWriter(aborter, asJson);
  let unreadOutputs = 0;
  try {
    const instance = await spearlet.start(task.spec, { signal: aborter.signal });
    const execution = instance.execute(
      { command, args },
      { signal: aborter.signal, ...(task.limit === undefined ? {} : { timeout: task.limit }) },
    );
    for await (const update of execution) {
      const { output } = update;
      if (!asJson && output === undefined) continue;
      const read = await write(asJson ? `${json(update)}\n` : output!);
      if (!read && output !== undefined) unreadOutputs += 1;
      if (unreadOutputs > MAX_UNREAD_OUTPUTS) aborter.abort();
    }
    const result = await execution.result;
    if (asJson) await write(`${json({ ...result, code: 'COMPLETED' })}\n`);
    return processCode(result.exitCode ?? 0);
  } catch (error) {
    if (asJson) await write(`${json(errorJson(error))}\n`);
    else printError(error, false);
    return exitCodeOf(error);
  } finally {
    await spearlet.stop();
    off();
  }
}
