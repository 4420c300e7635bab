// Converts configuration files, whose JSON has its own names and units, into specs. Nothing is guessed: an unknown key is an
// error that names the nearest known key.
import { basename } from 'node:path';
import { z } from 'zod';
import { reasonOf, SpearletError } from './errors.ts';
import type { InstanceSpec } from './options/instance.ts';
import { environment, plain, restartPolicy, size, transport } from './options.ts';
import { parse } from './parse.ts';

const program = z.strictObject({
  command: plain.min(1).describe('The program: a name that is looked up in PATH, or a path'),
  args: z.array(plain).optional().describe('The arguments of the program, all strings'),
  working_directory: plain.min(1).optional().describe('The working directory of the program; by default that of spearlet'),
  environment: environment
    .meta({
      type: 'object',
      additionalProperties: { type: 'string' },
      description: 'Variables that are added to the clean environment of the program',
    })
    .optional(),
  timeout: z.number().positive().max(2_147_483).optional().describe('The longest time that one execution may take, in seconds'),
  max_memory: size.optional().describe("The memory limit of the whole process tree: bytes, or a text like '1GB' (10^9) or '1GiB' (2^30)"),
});

const instance = z.strictObject({
  runtime_type: z.literal('process').describe('How the program is run'),
  config: program,
});

const named = instance.extend({
  name: plain.min(1).max(256).optional().describe('The name of the instance; by default the base name of its command'),
  replicas: z.int().min(1).max(1_000).optional().describe('The number of instances that are started; 1 by default'),
  restart: restartPolicy
    .optional()
    .describe("When the program is restarted: 'permanent' always, 'transient' after a failure, 'temporary' (default) never"),
  transport: transport.optional().describe("What connects the program to spearlet; 'tcp' by default"),
});

/**
 * A configuration file describes one instance or several.
 * @internal
 */
export const configSchema = z.union([z.strictObject({ instances: z.array(named).min(1) }), named]);

type NamedInstance = z.output<typeof named>;

function specOf({ name, restart, transport, config }: NamedInstance): InstanceSpec {
  const { command, args, working_directory, environment, timeout, max_memory } = config;
  return {
    artifactId: name ?? basename(command),
    runtimeType: 'process',
    command,
    ...(args === undefined ? {} : { args }),
    ...(working_directory === undefined ? {} : { workingDirectory: working_directory }),
    ...(environment === undefined ? {} : { environment }),
    ...(timeout === undefined ? {} : { timeout: Math.max(1, Math.round(timeout * 1000)) }),
    ...(max_memory === undefined ? {} : { maxMemory: max_memory }),
    ...(restart === undefined ? {} : { restart }),
    ...(transport === undefined ? {} : { transport }),
  };
}

function parseJson(json: unknown): unknown {
  if (typeof json !== 'string') return json;
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw new SpearletError('INVALID_CONFIG', `the configuration is not JSON: ${reasonOf(cause)}`, {
      cause,
      hint: 'Check it with `jq . < file`.',
    });
  }
}

/**
 * Converts one instance of a configuration, `{ runtime_type, config: { … } }`, as an object or as JSON text. Its `timeout` is
 * in seconds. Throws SpearletError INVALID_CONFIG with all issues at once.
 */
export function instanceSpecFromConfig(json: unknown): InstanceSpec {
  return specOf(parse(named, parseJson(json), 'configuration', 'INVALID_CONFIG'));
}

/**
 * Converts a whole configuration file. Each replica becomes a spec of its own: `name-1`, `name-2`. Throws INVALID_CONFIG.
 * @internal
 */
export function specsFromConfig(json: unknown): InstanceSpec[] {
  const value = parseJson(json);
  const several = typeof value === 'object' && value !== null && 'instances' in value;
  // Checks only the form that the file has, so that the paths of issues belong to that form.
  const instances = several
    ? (parse(configSchema.options[0], value, 'configuration', 'INVALID_CONFIG').instances as NamedInstance[])
    : [parse(named, value, 'configuration', 'INVALID_CONFIG')];
  return instances.flatMap(instance => {
    const spec = specOf(instance);
    const replicas = instance.replicas ?? 1;
    return replicas === 1 ? [spec] : Array.from({ length: replicas }, (_, i) => ({ ...spec, artifactId: `${spec.artifactId}-${i + 1}` }));
  });
}

/**
 * The JSON Schema of a configuration file, for editors. docs/config.schema.json is generated from it.
 * @internal
 */
export function configJsonSchema(): object {
  return z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any', target: 'draft-2020-12' });
}
