// `spearlet exec`: one agent, one execution. Its output to stdout, everything else to stderr, its exit code passed through.

import { createSpearlet, type InstanceSpec, SpearletError } from '../index.ts';
import { stdout } from '../world/stdio.ts';
import { readSpecs } from './file.ts';
import { onInterrupt } from './interrupt.ts';
import { errorJson, json, milliseconds, say, sayError } from './print.ts';

const USAGE = 2;
const TIMEOUT = 124;
const NO_AGENT = 125;
const CANCELLED = 130;
/**
 * So many pieces of output a program may write after the reader of stdout has left; with the next one it is ended, as the
 * shell's pipes end what goes on writing. One that only had some last words still passes its own exit code.
 */
const UNREAD = 16;

interface ExecOptions {
  readonly json: boolean;
  readonly timeout?: string;
}

function read(file: string, { timeout }: ExecOptions): { spec: InstanceSpec; limit: number | undefined } {
  const limit = timeout === undefined ? undefined : milliseconds(timeout);
  if (limit === null || limit === 0) throw new SpearletError('INVALID_OPTIONS', `--timeout is '${timeout}', expected seconds`);
  const [spec, ...others] = readSpecs(file);
  if (spec === undefined || others.length > 0) {
    throw new SpearletError('INVALID_CONFIG', `exec runs one agent, ${file} names ${others.length + 1}`);
  }
  return { spec, limit };
}

/** What a process can exit with: 0..255, and never 0 for a failure. */
const processCode = (code: number): number => (code === 0 ? 0 : code & 0xff || 1);

function statusOf(error: unknown): number {
  if (!(error instanceof SpearletError)) return NO_AGENT;
  if (error.code === 'EXECUTION_FAILED') return processCode(error.exitCode ?? 1);
  if (error.code === 'EXECUTION_TIMEOUT') return TIMEOUT;
  if (error.code === 'CANCELLED') return CANCELLED;
  return NO_AGENT;
}

/**
 * Hands over output and waits while a slow reader has not taken it, but no longer than somebody wants it. False: it is lost,
 * since the reader has left. Another failure of stdout (a full disk) loses the output and is told once; the execution goes
 * on, and its exit code counts.
 */
function createWriter({ signal }: AbortController, asJson: boolean): (text: string) => Promise<boolean> {
  let told = false;
  return async text => {
    stdout.write(text);
    await stdout.drained(signal);
    const { failure } = stdout;
    if (failure === null || signal.aborted) return true;
    if (failure === 'EPIPE' || failure === 'ECONNRESET') return false;
    if (!told) say({ code: failure, message: 'stdout cannot be written to: output of the execution is lost' }, asJson);
    told = true;
    return true;
  };
}

export async function exec(file: string, command: string, args: string[], options: ExecOptions): Promise<number> {
  const asJson = options.json;
  let task: ReturnType<typeof read>;
  try {
    task = read(file, options);
  } catch (error) {
    sayError(error, asJson);
    return USAGE;
  }
  const aborter = new AbortController();
  const spearlet = createSpearlet({ logger: false, ports: 0 });
  const off = onInterrupt(again => {
    aborter.abort();
    if (again) void spearlet.stop({ grace: 0 });
  });
  const write = createWriter(aborter, asJson);
  let unread = 0;
  try {
    const instance = await spearlet.start(task.spec, { signal: aborter.signal });
    const execution = instance.execute(
      { command, args },
      { signal: aborter.signal, ...(task.limit === undefined ? {} : { timeout: task.limit }) },
    );
    for await (const update of execution) {
      const { output } = update;
      if (!asJson && output === undefined) continue;
      const taken = await write(asJson ? `${json(update)}\n` : output!);
      if (!taken && output !== undefined) unread += 1;
      if (unread > UNREAD) aborter.abort();
    }
    const result = await execution.result;
    if (asJson) await write(`${json({ ...result, code: 'COMPLETED' })}\n`);
    return processCode(result.exitCode ?? 0);
  } catch (error) {
    if (asJson) await write(`${json(errorJson(error))}\n`);
    else sayError(error, false);
    return statusOf(error);
  } finally {
    await spearlet.stop();
    off();
  }
}
