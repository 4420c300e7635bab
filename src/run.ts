// spearlet.run(): one program to its end, by a command agent of its own. With the agent ends all that the program has left behind.
import { z } from 'zod';
import { commandAgent } from './command-agent.ts';
import type { Instance } from './instance/instance.ts';
import { artifactIdOf, executeOptionsSchema, requestSchema, specSchema } from './option-schemas.ts';
import type { InstanceSpec, StartOptions } from './options/instance.ts';
import type { RunOptions, RunResult } from './options/run.ts';
import { parse } from './parse.ts';

const { command, args, workingDirectory, maxMemory } = specSchema.in.shape;
const programSchema = z.strictObject({ command, args });
export const runOptionsSchema = executeOptionsSchema.omit({ cancelOnReturn: true }).extend({
  ...{ workingDirectory, maxMemory, input: requestSchema.in.shape.input, env: requestSchema.in.shape.env },
});

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
