// spearlet.run(): one program to its end, by a command agent of its own. With the agent ends all that the program has left behind.
import { z } from 'zod';
import { commandAgent } from './command-agent.ts';
import type { Instance } from './instance/instance.ts';
import { artifactIdOf, executeOptionsSchema, type InstanceSpec, requestSchema, type StartOptions, specSchema } from './options.ts';
import { parse } from './parse.ts';

const { command, args, workingDirectory, maxMemory } = specSchema.in.shape;
const programSchema = z.strictObject({ command, args });
const runOptionsSchema = executeOptionsSchema.omit({ cancelOnReturn: true }).extend({
  ...{ workingDirectory, maxMemory, input: requestSchema.in.shape.input, env: requestSchema.in.shape.env },
});

export interface RunOptions {
  /** The standard input of the program; a text is sent as UTF-8. Default: none, and its stdin is at its end. */
  readonly input?: string | Uint8Array | AsyncIterable<string | Uint8Array> | { readonly file: string } | undefined;
  /** Default: that of this process. */
  readonly workingDirectory?: string | undefined;
  /** Added to the clean environment of a started program, which has HOME, PATH, LANG and a few more. Default: nothing. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** The longest time that the program may take, in ms. The start of its agent does not count. Default: none. */
  readonly timeout?: number | undefined;
  /** The longest time in which the program writes nothing, in ms. Default: none. */
  readonly idleTimeout?: number | undefined;
  /** Ends the program, and all that it has started. Default: none. */
  readonly signal?: AbortSignal | undefined;
  /** Of the program and all that it has started: bytes, or a text such as '1GB'. Default: none. */
  readonly maxMemory?: number | string | undefined;
  /** 'buffer': `stdout` and `stderr` are bytes. Default: 'utf8', in which other bytes are U+FFFD. */
  readonly encoding?: 'utf8' | 'buffer' | undefined;
  /** How much of stdout and of stderr is kept, in bytes; true, the default: 16 MiB, which is the most. */
  readonly collect?: true | number | undefined;
  /** false: another exit code than 0 is a result. Default: true, it rejects with EXECUTION_FAILED. */
  readonly reject?: boolean | undefined;
}

export interface RunResult<Output = string> {
  readonly stdout: Output;
  readonly stderr: Output;
  /** 128 + n where signal n has ended the program; 127 where there is no such program, 126 where it cannot be executed. */
  readonly exitCode: number;
  /** Why the program has failed, in words; null where it has not. */
  readonly error: string | null;
  /** Bytes of stdout and stderr beyond what is kept. */
  readonly truncatedBytes: number;
}

export interface Run {
  (command: string, args: readonly string[], options: RunOptions & { readonly encoding: 'buffer' }): Promise<RunResult<Buffer>>;
  (command: string, args?: readonly string[], options?: RunOptions): Promise<RunResult>;
}

export function createRun(start: (spec: InstanceSpec, options: StartOptions) => Promise<Instance>): Run {
  async function run(commandInput: string, argsInput: readonly string[] = [], optionsInput: RunOptions = {}): Promise<RunResult<never>> {
    const program = parse(programSchema, { command: commandInput, args: argsInput }, 'run()');
    const { workingDirectory, maxMemory, input, env, ...options } = parse(runOptionsSchema, optionsInput, 'run() options');
    const { signal, encoding } = options;
    const spec = { ...commandAgent(), artifactId: artifactIdOf(program.command), workingDirectory, maxMemory };
    const instance = await start(spec, { signal });
    try {
      const request = { ...program, env, input };
      const result = await instance.execute(request, { ...options, collect: options.collect ?? true }).result;
      const nothing = encoding === 'buffer' ? Buffer.alloc(0) : '';
      const { output, stderr, exitCode, error, truncatedBytes } = result;
      // The encoding decides which of the two they are.
      return { stdout: output ?? nothing, stderr: stderr ?? nothing, exitCode: exitCode ?? 1, error, truncatedBytes } as RunResult<never>;
    } finally {
      await instance.stop();
    }
  }
  return run;
}
