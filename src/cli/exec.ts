// `spearlet exec`: one agent, one execution. Its output to stdout, everything else to stderr, its exit code passed through.

import { createSpearlet, type InstanceSpec, SpearletError } from '../index.ts';
import { readSpecs } from './file.ts';
import { errorJson, milliseconds, onInterrupt, sayError } from './print.ts';

const USAGE = 2;
const TIMEOUT = 124;
const NO_AGENT = 125;
const CANCELLED = 130;

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

/** Waits while a slow reader of ours has its pipe full, but no longer than somebody wants it. */
const write = (text: string, { signal }: AbortController): Promise<void> =>
  new Promise(resolve => {
    const done = (): void => {
      signal.removeEventListener('abort', done);
      resolve();
    };
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', done, { once: true });
    process.stdout.write(text, done);
  });

export async function exec(file: string, command: string, args: string[], options: ExecOptions): Promise<number> {
  const { json } = options;
  let task: ReturnType<typeof read>;
  try {
    task = read(file, options);
  } catch (error) {
    sayError(error, json);
    return USAGE;
  }
  const aborter = new AbortController();
  const spearlet = createSpearlet({ logger: false, ports: 0 });
  const off = onInterrupt(again => {
    aborter.abort();
    if (again) void spearlet.stop({ grace: 0 });
  });
  // Who reads us has left: nobody waits for the rest.
  process.stdout.on('error', () => aborter.abort());
  try {
    const instance = await spearlet.start(task.spec, { signal: aborter.signal });
    const execution = instance.execute(
      { command, args },
      { signal: aborter.signal, ...(task.limit === undefined ? {} : { timeout: task.limit }) },
    );
    for await (const update of execution) {
      if (json) await write(`${JSON.stringify(update)}\n`, aborter);
      else if (update.output !== undefined) await write(update.output, aborter);
    }
    const result = await execution.result;
    if (json) await write(`${JSON.stringify({ ...result, code: 'COMPLETED' })}\n`, aborter);
    return processCode(result.exitCode ?? 0);
  } catch (error) {
    if (json) process.stdout.write(`${JSON.stringify(errorJson(error))}\n`);
    else sayError(error, false);
    return statusOf(error);
  } finally {
    await spearlet.stop();
    off();
  }
}
