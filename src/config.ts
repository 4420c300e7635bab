// The form of configuration files, and how a file becomes options and specs. Nothing is guessed: an unknown key is an error that
// names the nearest known key. It reads neither files nor the environment of this process.
import { z } from 'zod';
import { commandLineFile } from './command-agent.ts';
import { inSeconds, keysOf } from './config-keys.ts';
import { reasonOf, SpearletError } from './errors.ts';
import { artifactIdOf, restartPolicy, spearletSchema, specSchema, timeout } from './option-schemas.ts';
import { environment, plain, size } from './option-values.ts';
import type { InstanceSpec } from './options/instance.ts';
import type { SpearletOptions } from './options/spearlet.ts';
import { parse } from './parse.ts';

/** As the command of an instance, it is this package, whatever PATH is. */
const OWN_COMMAND = 'spearlet';

const workingDirectory = plain.min(1).optional().describe('The working directory of the program; by default that of spearlet');
const maxMemory = size
  .optional()
  .describe("The memory limit of the whole process tree: bytes, or a text like '1GB' (10^9) or '1GiB' (2^30)");
const runtimeType = z.literal('process').optional().describe('How the program is run');

const program = z.strictObject({
  command: plain.min(1).describe("The program: a name that is looked up in PATH, or a path; 'spearlet' is this spearlet itself"),
  args: z.array(plain).optional().describe('The arguments of the program, all strings'),
  working_directory: workingDirectory,
  workingDirectory,
  environment: environment
    .meta({
      type: 'object',
      additionalProperties: { type: 'string' },
      description: 'Variables that are added to the clean environment of the program',
    })
    .optional(),
  timeout: inSeconds(timeout).optional().describe("The longest time that one execution may take: seconds, or a text like '250ms'"),
  max_memory: maxMemory,
  maxMemory,
});
/** With keys that read the disk and the environment of spearlet: a file may, a value that came from elsewhere may not. */
const programOfFile = program.extend({
  envFile: z
    .union([plain.min(1), z.array(plain.min(1))])
    .optional()
    .describe('Files of lines NAME=value, relative to this file. Later files replace earlier ones, `environment` replaces all'),
  inheritEnvironment: z.boolean().optional().describe('Whether the program gets all environment variables of spearlet; false by default'),
});

const instance = z.strictObject({
  runtime_type: runtimeType,
  runtimeType,
  config: program,
  name: plain.min(1).max(256).optional().describe('The name of the instance; by default the base name of its command'),
  replicas: z.int().min(1).max(1_000).optional().describe('The number of instances that are started; 1 by default'),
  restart: restartPolicy
    .optional()
    .describe("When the program is restarted: 'permanent' always, 'transient' after a failure, 'temporary' (default) never"),
  ...keysOf(specSchema.in.shape, ['artifactId', 'runtimeType', 'restart', ...Object.keys(program.shape)]),
});
const instanceOfFile = instance.extend({ config: programOfFile });

const $schema = z.string().optional().describe('The JSON Schema of this file, for editors');
/** `logger` and `inspect` are code, not data. */
const hostKeys = keysOf(spearletSchema.shape, ['logger', 'inspect']);
/** A file with one instance has no place for the option `restart` of the host: keys of both are those of the instance. */
const one = z.strictObject({ $schema, ...hostKeys, ...instanceOfFile.shape });
const several = z.strictObject({ $schema, instances: z.array(instanceOfFile).min(1), ...hostKeys });

/**
 * A configuration file describes one instance or several.
 * @internal
 */
export const configSchema = z.union([several, one]);

/** @internal */
export type NamedSpec = InstanceSpec & { readonly artifactId: string };

/** @internal */
export type ConfiguredInstance = z.output<typeof instanceOfFile>;

/**
 * A file: the options of `createSpearlet`, and the instances.
 * @internal
 */
export interface Config {
  readonly options: SpearletOptions;
  readonly instances: readonly ConfiguredInstance[];
}

const defined = (object: object): object => Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));

/** The spec of an instance. Its own `environment` replaces variables of `inherited`. */
function specOf(
  { runtime_type: _, runtimeType: __, name, replicas: ___, config, ...keys }: ConfiguredInstance,
  inherited: ReadonlyMap<string, string>,
): NamedSpec {
  const {
    command,
    args,
    working_directory,
    workingDirectory = working_directory,
    environment,
    timeout,
    max_memory,
    maxMemory = max_memory,
  } = config;
  const isOwn = command === OWN_COMMAND;
  const variables = inherited.size === 0 ? environment : new Map([...inherited, ...(environment ?? [])]);
  return defined({
    artifactId: name ?? artifactIdOf(command),
    runtimeType: 'process',
    command: isOwn ? process.execPath : command,
    args: isOwn ? [commandLineFile(), ...(args ?? [])] : args,
    workingDirectory,
    environment: variables,
    timeout,
    maxMemory,
    ...keys,
  }) as NamedSpec;
}

/**
 * Each replica is a spec of its own: `name-1`, `name-2`.
 * @internal
 */
export function specsOf(instance: ConfiguredInstance, inherited: ReadonlyMap<string, string> = new Map()): NamedSpec[] {
  const spec = specOf(instance, inherited);
  const { replicas = 1 } = instance;
  return replicas === 1 ? [spec] : Array.from({ length: replicas }, (_, i) => ({ ...spec, artifactId: `${spec.artifactId}-${i + 1}` }));
}

function parseJson(json: unknown): unknown {
  if (typeof json !== 'string') return json;
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw new SpearletError('INVALID_CONFIG', `the configuration is not JSON: ${reasonOf(cause)}`, {
      cause,
      hint: 'Check it with `spearlet check <file>`.',
    });
  }
}

/**
 * Converts one instance of a configuration, `{ runtime_type, config: { … } }`, as an object or as JSON text. Its `timeout` is
 * in seconds. Throws SpearletError INVALID_CONFIG with all issues at once.
 */
export function instanceSpecFromConfig(json: unknown): InstanceSpec {
  return specOf(parse(instance, parseJson(json), 'configuration', 'INVALID_CONFIG'), new Map());
}

/**
 * Checks the value of a file. Issues show values of `written`. Throws INVALID_CONFIG.
 * @internal
 */
export function parseConfig(value: unknown, written: unknown = value): Config {
  // Checks only the form that the file has, so that the paths of issues belong to that form.
  if (typeof value === 'object' && value !== null && 'instances' in value) {
    const { $schema: _, instances, ...options } = parse(several, value, 'configuration', 'INVALID_CONFIG', written);
    return { options, instances: instances as ConfiguredInstance[] };
  }
  const { $schema: _, ...keys } = parse(one, value, 'configuration', 'INVALID_CONFIG', written);
  const isOption = ([key]: [string, unknown]): boolean => !Object.hasOwn(instanceOfFile.shape, key);
  const entries = Object.entries(keys);
  return {
    options: Object.fromEntries(entries.filter(isOption)),
    instances: [Object.fromEntries(entries.filter(entry => !isOption(entry))) as ConfiguredInstance],
  };
}

/**
 * The JSON Schema of a configuration file, for editors. docs/config.schema.json is generated from it.
 * @internal
 */
export function configJsonSchema(): object {
  return z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any', target: 'draft-2020-12' });
}
