// Configuration files: the seed's JSON, with its own names and units, into specs. Nothing is guessed: what is not known is
// an error with the nearest known key.
import { basename } from 'node:path';
import { z } from 'zod';
import { reasonOf, SpearletError } from './errors.ts';
import { environment, type InstanceSpec, plain, restartPolicy, size } from './options.ts';
import { parse } from './parse.ts';

const program = z.strictObject({
  command: plain.min(1).describe('The program: a name that is sought in PATH, or a path'),
  args: z.array(plain).optional().describe('Its arguments, all texts'),
  working_directory: plain.min(1).optional().describe('Where it runs; by default where spearlet was started'),
  environment: environment
    .meta({ type: 'object', additionalProperties: { type: 'string' }, description: 'Added to the clean environment it gets' })
    .optional(),
  timeout: z.number().positive().max(2_147_483).optional().describe('The longest one execution may take, in seconds'),
  max_memory: size.optional().describe("Of its whole process tree: bytes, or a text like '1GB' (10^9) or '1GiB' (2^30)"),
});

const instance = z.strictObject({
  runtime_type: z.literal('process').describe('How it is run'),
  config: program,
});

const named = instance.extend({
  name: plain.min(1).max(256).optional().describe('How it is called; by default as its command'),
  replicas: z.int().min(1).max(1_000).optional().describe('How many of it are started; 1 by default'),
  restart: restartPolicy
    .optional()
    .describe("What follows when it ends: 'permanent' always restarts, 'transient' after a failure, 'temporary' (default) never"),
});

/** A configuration file: one instance, or several. */
export const configSchema = z.union([z.strictObject({ instances: z.array(named).min(1) }), named]);

type NamedInstance = z.output<typeof named>;

function specOf({ name, restart, config }: NamedInstance): InstanceSpec {
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
  };
}

function fromText(json: unknown): unknown {
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
 * The spec that one instance of a configuration means: the seed's `{ runtime_type, config: { … } }`, as an object or its
 * text. `timeout` is in seconds there. Throws SpearletError INVALID_CONFIG with every issue at once.
 */
export function instanceSpecFromConfig(json: unknown): InstanceSpec {
  return specOf(parse(named, fromText(json), 'configuration', 'INVALID_CONFIG'));
}

/** The specs that a whole file means, replicas counted out (`name-1`, `name-2`). Throws INVALID_CONFIG. */
export function specsFromConfig(json: unknown): InstanceSpec[] {
  const value = fromText(json);
  const several = typeof value === 'object' && value !== null && 'instances' in value;
  // Checked against the form it has, so that an issue names a path of that form.
  const instances = several
    ? (parse(configSchema.options[0], value, 'configuration', 'INVALID_CONFIG').instances as NamedInstance[])
    : [parse(named, value, 'configuration', 'INVALID_CONFIG')];
  return instances.flatMap(each => {
    const spec = specOf(each);
    const replicas = each.replicas ?? 1;
    return replicas === 1 ? [spec] : Array.from({ length: replicas }, (_, i) => ({ ...spec, artifactId: `${spec.artifactId}-${i + 1}` }));
  });
}

/** The JSON Schema of a configuration file, for editors; docs/config.schema.json is this. */
export function configJsonSchema(): object {
  return z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any', target: 'draft-2020-12' });
}
