// The schemas of createSpearlet(), of specs and of requests, with defaults and ranges. Those of pools are in pool/option-schemas.ts,
// those of run() in run.ts. A caller's value is parsed once and trusted afterwards.
import { basename } from 'node:path';
import { z } from 'zod';
import { bounds, DEFAULT_GRACE, DEFAULT_HEARTBEAT, DEFAULT_MAX_FRAME_BYTES, MAX_MS } from './limits.ts';
import { environment, plain, size, textMap, wellFormed } from './option-values.ts';
import type { Inspect, Logger } from './options/spearlet.ts';
import { inputSchema } from './request-input.ts';

export const duration = z.int().min(0).max(MAX_MS);
export const timeout = z.int().min(1).max(MAX_MS);
const heartbeatInterval = z.int().min(10).max(MAX_MS);
/** The schemas of all durations. Options take ms; a configuration file takes seconds or a text. */
export const durations: ReadonlySet<z.ZodType> = new Set([duration, timeout, heartbeatInterval]);
const bytes = z
  .int()
  .min(1)
  .max(4 * 2 ** 30);
const port = z.int().min(1).max(65_535);

/** A loopback name or address: any other would let other machines connect to the listeners. */
const loopback = z
  .string()
  .refine(host => host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host), {
    error: 'must be a loopback address: agents run on this machine',
  })
  .transform(host => (host === 'localhost' ? '127.0.0.1' : host));

export const transport = z.enum(['tcp', 'unix', 'ws', 'fd']);
/** What a browser sends as the origin of a page. A page has no other, so another text here would never match. */
const origin = z.string().refine(text => URL.canParse(text) && new URL(text).origin === text, {
  error: 'must be an origin as a browser sends it: scheme://host or scheme://host:port, without a path or a slash at the end',
});
/** The origins of web pages that may connect over 'ws'. */
const origins = z.array(origin).default([]);
const hasNoIdleOrigins = ({ transport, origins }: { transport: string; origins: string[] }): boolean =>
  origins.length === 0 || transport === 'ws';
const idleOrigins = { path: ['origins'], error: "only transport 'ws' is open to web pages" };

/** An inherited socket needs a program that the host starts. */
const externalTransport = transport.refine(value => value !== 'fd', {
  error: "'fd' is a socket that a started program inherits, and expect() starts none: use another transport",
});

export const restartPolicy = z.enum(['permanent', 'transient', 'temporary']);
const intensity = z.union([z.int().min(0).max(1_000_000), z.literal(Number.POSITIVE_INFINITY)], {
  error: 'must be a whole number from 0 to 1,000,000, or Infinity: never give up',
});
const jitter = z.enum(['full', 'equal', 'none']);
const exitCodes = z.array(z.int().min(0).max(255)).optional();

export const spearletSchema = z.strictObject({
  host: loopback.default('127.0.0.1'),
  ports: z
    .union([
      z.literal(0),
      z.strictObject({ from: port, to: port }).refine(range => range.from <= range.to, { error: '`from` must not be above `to`' }),
    ])
    .default({ from: 9_100, to: 32_767 }),
  listener: z.enum(['perInstance', 'shared']).default('perInstance'),
  connectTimeout: timeout.default(30_000),
  authTimeout: timeout.default(5_000),
  reconnectWindow: duration.default(10_000),
  grace: duration.default(DEFAULT_GRACE),
  heartbeat: z
    .strictObject({
      interval: heartbeatInterval.default(DEFAULT_HEARTBEAT.interval),
      misses: z.int().min(1).max(100).default(DEFAULT_HEARTBEAT.misses),
    })
    .prefault({}),
  restart: z
    .strictObject({
      intensity: intensity.default(3),
      period: timeout.default(60_000),
      backoff: z
        .strictObject({ min: timeout.default(200), max: timeout.default(30_000), jitter: jitter.default('full') })
        .refine(backoff => backoff.min <= backoff.max, { error: '`min` must not be above `max`' })
        .prefault({}),
    })
    .prefault({}),
  /** The versions of the wire that agents may speak. */
  protocols: z
    .array(z.union([z.literal(1), z.literal(2)]))
    .min(1)
    .default([1, 2])
    .transform(versions => [...new Set(versions)].sort()),
  maxFrameBytes: bytes.default(DEFAULT_MAX_FRAME_BYTES),
  maxPreAuthFrameBytes: bytes.default(16_384),
  maxInFlight: z.int().min(1).max(1_000_000).default(1_024),
  maxQueuedBytes: bytes.default(8 * 2 ** 20),
  maxConcurrentStarts: z.int().min(1).max(10_000).default(4),
  /** The folder in which a host records the programs that it has started, so that the next host can end them if this one dies. */
  stateDir: plain.min(1).optional(),
  /** Whether the programs end when this process exits, or gets SIGTERM, SIGINT or SIGHUP without a listener of its own. */
  endWithHost: z.boolean().default(true),
  logger: z.custom<Logger | false>(value => value === false || isLogger(value), { error: 'must be a pino logger or false' }).optional(),
  inspect: z
    .custom<Inspect>(value => typeof value === 'function' || isObserver(value), {
      error: 'must be an observer of XState inspection events',
    })
    .optional(),
});

const killSignals = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH'] as const;
const trees = ['group', 'cookie', 'namespace'] as const;

/** The longest name of what runs, in characters. */
const ARTIFACT_ID = 256;
const artifactId = plain.min(1).max(ARTIFACT_ID);

/** The name of a program without a name of its own: the last part of its command. */
export const artifactIdOf = (command: string): string => (basename(command) || command).slice(0, ARTIFACT_ID).toWellFormed();

export const specSchema = z
  .strictObject({
    artifactId: artifactId.optional(),
    runtimeType: z.literal('process').default('process'),
    command: plain.min(1),
    args: z.array(plain).default([]),
    workingDirectory: plain.min(1).optional(),
    environment: environment.prefault({}),
    timeout: timeout.optional(),
    maxConcurrency: z.int().min(1).max(1_000_000).optional(),
    maxMemory: size.optional(),
    restart: restartPolicy.default('temporary'),
    /** Whether failures before the first ready are followed by a restart, within the restart intensity. */
    retryStart: z.boolean().default(false),
    // Where these five are not given, those of createSpearlet() hold (src/instance/instance-options.ts).
    connectTimeout: timeout.optional(),
    grace: duration.optional(),
    intensity: intensity.optional(),
    period: timeout.optional(),
    backoff: z.strictObject({ min: timeout.optional(), max: timeout.optional(), jitter: jitter.optional() }).optional(),
    /** Exit codes that count as a clean end, as 0 does. A death by signal n has the exit code 128 + n, as in a shell. */
    successCodes: exitCodes,
    /** Exit codes after which the program is not started again, whatever `restart` says. */
    neverRestartOn: exitCodes,
    /** What every process of the tree gets before SIGKILL. */
    killSignal: z.enum(killSignals).optional(),
    /** 'namespace' is used if the system allows it; `instance.containment` says what is in effect. */
    containment: z.enum(['cookie', 'namespace']).default('cookie'),
    /** If this cannot be had, start() rejects with CONTAINMENT_UNAVAILABLE. Requiring a namespace also asks for one. */
    requireContainment: z
      .union([
        z.enum(trees).transform(tree => ({ tree, diesWithHost: undefined, memory: undefined })),
        z.strictObject({ tree: z.enum(trees).optional(), diesWithHost: z.boolean().optional(), memory: z.literal('sampled').optional() }),
      ])
      .optional(),
    /** Whether an agent is restarted that does not answer a cancel within `grace`. */
    onUnresponsive: z.enum(['leave', 'restart']).default('leave'),
    transport: transport.default('tcp'),
    origins,
  })
  .refine(hasNoIdleOrigins, idleOrigins)
  .transform(({ artifactId, ...spec }) => ({ artifactId: artifactId ?? artifactIdOf(spec.command), ...spec }));

export const expectSchema = z
  .strictObject({
    artifactId,
    timeout: timeout.optional(),
    transport: externalTransport.default('tcp'),
    origins,
  })
  .refine(hasNoIdleOrigins, idleOrigins);

const requestFields = z.strictObject({
  command: wellFormed,
  args: z.array(wellFormed).default([]),
  env: textMap(wellFormed, /^/, 'a name must be text').prefault({}),
  taskId: wellFormed.min(1).max(1_024).optional(),
  /** For the agent's handler, or the standard input of a program of the command agent. A text is sent as UTF-8. */
  input: inputSchema(wellFormed, plain.min(1)).optional(),
  workingDirectory: plain.min(1).optional(),
  timeout: timeout.optional(),
  background: z.enum(['end', 'keep']).optional(),
});
export const requestSchema = requestFields.transform(({ workingDirectory, timeout, background, ...request }) => ({
  ...request,
  settings: (workingDirectory ?? timeout ?? background) === undefined ? undefined : { workingDirectory, timeout, background },
}));

/** `instanceof` alone would accept any object with this prototype, even one whose `aborted` throws. */
const abortSignal = z.instanceof(AbortSignal).refine(signal => typeof signal.aborted === 'boolean', { error: 'must be an AbortSignal' });

export const executeOptionsSchema = z.strictObject({
  signal: abortSignal.optional(),
  timeout: timeout.optional(),
  idleTimeout: timeout.optional(),
  /** Undefined: the result has the running output where the terminal response has no output. */
  collect: z.union([z.boolean(), z.int().min(1).max(bounds.collected)]).optional(),
  /** Cancels the execution when its reader leaves the `for await` loop. */
  cancelOnReturn: z.boolean().default(false),
  encoding: z.enum(['utf8', 'buffer']).default('utf8'),
  reject: z.boolean().default(true),
});

/** Used for a call without options, which needs no check. */
export const defaultExecuteOptions = executeOptionsSchema.parse({});

export const startOptionsSchema = z.strictObject({ signal: abortSignal.optional() });
export const stopOptionsSchema = z.strictObject({ grace: duration.optional() });
export const restartOptionsSchema = z.strictObject({ grace: duration.optional() });
export const instanceStopOptionsSchema = stopOptionsSchema.extend({ drain: z.boolean().default(false) });

const isObserver = (value: unknown): boolean => typeof (value as { next?: unknown } | null)?.next === 'function';
const isLogger = (value: unknown): boolean =>
  ['child', 'trace', 'debug', 'info', 'warn', 'error'].every(
    name => typeof (value as Record<string, unknown> | null)?.[name] === 'function',
  );

// The interfaces that callers use are written by hand, for editors; test/api/options.types.ts holds them equal to the schemas.
export type { ExecuteOptions, ExecuteRequestInput } from './options/execution.ts';
export type { Transport } from './options/instance.ts';
export type { Inspect, Logger } from './options/spearlet.ts';
export type ParsedOptions = z.output<typeof spearletSchema>;
export type ParsedSpec = z.output<typeof specSchema>;
export type ParsedRequest = z.output<typeof requestSchema>;
export type ParsedExecuteOptions = z.output<typeof executeOptionsSchema>;
