// Every option with its default and its range, in one place. A caller's value is parsed once and trusted afterwards.
import { z } from 'zod';
import { DEFAULT_GRACE, DEFAULT_MAX_FRAME_BYTES } from './limits.ts';
import type { Inspect, Logger } from './options/spearlet.ts';

/** The longest duration of a timer in Node. A longer one fires at once. */
const MAX_MS = 2 ** 31 - 1;
const GIB = 2 ** 30;

export const duration = z.int().min(0).max(MAX_MS);
export const timeout = z.int().min(1).max(MAX_MS);
const bytes = z
  .int()
  .min(1)
  .max(4 * GIB);
const port = z.int().min(1).max(65_535);

/** A loopback name or address: any other would let other machines connect to the listeners. */
const loopback = z
  .string()
  .refine(host => host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host), {
    error: 'must be a loopback address: agents run on this machine',
  })
  .transform(host => (host === 'localhost' ? '127.0.0.1' : host));

/** Text without lone surrogates, which cannot be sent as UTF-8. */
const wellFormed = z.string().refine(value => value.isWellFormed(), { error: 'holds a lone surrogate, which is not text' });
/** Text that can be an argument of a system call. */
export const plain = wellFormed.refine(value => !value.includes('\0'), { error: 'holds a NUL, which cannot be passed to a program' });

/** Parses names and texts into a Map: z.record loses the name `__proto__`, and an object reorders names that look like integers. */
const textMap = (text: z.ZodType<string>, nameRule: RegExp, rule: string) =>
  z
    .custom<Readonly<Record<string, string>> | ReadonlyMap<string, string>>()
    .transform((value: unknown, check): ReadonlyMap<string, string> => {
      const map = new Map<string, string>();
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        check.issues.push({ code: 'custom', input: value, message: 'expected an object of strings' });
        return map;
      }
      for (const [name, each] of value instanceof Map ? (value as Map<unknown, unknown>) : Object.entries(value)) {
        const parsed = text.safeParse(each);
        const problem =
          parsed.error?.issues[0]?.message ?? (typeof name === 'string' && name.isWellFormed() && nameRule.test(name) ? null : rule);
        if (problem !== null) check.issues.push({ code: 'custom', input: each, message: problem, path: [String(name)] });
        else map.set(name as string, each as string);
      }
      return map;
    });
export const environment = textMap(plain, /^[^=\0]+$/, "a name must not be empty and must not hold '=' or NUL");

const UNITS: Record<string, number> = { B: 1, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, KiB: 2 ** 10, MiB: 2 ** 20, GiB: GIB, TiB: 2 ** 40 };

/** A number is bytes; `'1GB'` is 10^9 and `'1GiB'` is 2^30. */
export const size = z
  .union([
    z.int().min(1),
    z
      .string()
      .regex(/^\d+(\.\d+)?(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)$/, { error: "must be bytes, or a text like '512MB' (10^6) or '1GiB' (2^30)" }),
  ])
  .transform(value => {
    if (typeof value === 'number') return value;
    const [, digits, unit] = /^([\d.]+)(\w+)$/.exec(value)!;
    return Math.floor(Number(digits) * UNITS[unit!]!);
  });

export const transport = z.enum(['tcp', 'unix', 'ws', 'fd']);
/** What a browser sends as the origin of a page. A page has no other, so another text here would never match. */
const origin = z.string().refine(text => URL.canParse(text) && new URL(text).origin === text, {
  error: 'must be an origin as a browser sends it: scheme://host or scheme://host:port, without a path or a slash at the end',
});
/** Of the web pages that may connect over 'ws'. */
const origins = z.array(origin).default([]);
const hasNoIdleOrigins = ({ transport, origins }: { transport: string; origins: string[] }): boolean =>
  origins.length === 0 || transport === 'ws';
const idleOrigins = { path: ['origins'], error: "only transport 'ws' is open to web pages" };

/** An inherited socket needs a program that the host starts. */
const externalTransport = transport.refine(value => value !== 'fd', {
  error: "'fd' is a socket that a started program inherits, and expect() starts none: use another transport",
});

export const restartPolicy = z.enum(['permanent', 'transient', 'temporary']);

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
    .strictObject({ interval: z.int().min(10).max(MAX_MS).default(10_000), misses: z.int().min(1).max(100).default(3) })
    .prefault({}),
  restart: z
    .strictObject({
      intensity: z.int().min(0).max(1_000_000).default(3),
      period: timeout.default(60_000),
      backoff: z
        .strictObject({ min: timeout.default(200), max: timeout.default(30_000) })
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
  logger: z.custom<Logger | false>(value => value === false || isLogger(value), { error: 'must be a pino logger or false' }).optional(),
  inspect: z
    .custom<Inspect>(value => typeof value === 'function' || isObserver(value), {
      error: 'must be an observer of XState inspection events',
    })
    .optional(),
});

const trees = ['group', 'cookie', 'namespace'] as const;

export const specSchema = z
  .strictObject({
    artifactId: plain.min(1).max(256),
    runtimeType: z.literal('process').default('process'),
    command: plain.min(1),
    args: z.array(plain).default([]),
    workingDirectory: plain.min(1).optional(),
    environment: environment.prefault({}),
    timeout: timeout.optional(),
    maxMemory: size.optional(),
    restart: restartPolicy.default('temporary'),
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
  .refine(hasNoIdleOrigins, idleOrigins);

export const expectSchema = z
  .strictObject({
    artifactId: plain.min(1).max(256),
    timeout: timeout.optional(),
    transport: externalTransport.default('tcp'),
    origins,
  })
  .refine(hasNoIdleOrigins, idleOrigins);

/** Also over shared memory, which InstanceType leaves out. */
const anyBytes: abstract new () => Uint8Array = Uint8Array;

export const requestSchema = z.strictObject({
  command: wellFormed,
  args: z.array(wellFormed).default([]),
  env: textMap(wellFormed, /^/, 'a name must be text').prefault({}),
  taskId: wellFormed.min(1).max(1_024).optional(),
  /** For the agent's handler, or the standard input of a program of the command agent. A text is sent as UTF-8. */
  input: z.union([wellFormed.transform(text => Buffer.from(text)), z.instanceof(anyBytes)]).optional(),
});

/** `instanceof` alone would accept any object with this prototype, even one whose `aborted` throws. */
const abortSignal = z.instanceof(AbortSignal).refine(signal => typeof signal.aborted === 'boolean', { error: 'must be an AbortSignal' });

export const executeOptionsSchema = z.strictObject({
  signal: abortSignal.optional(),
  timeout: timeout.optional(),
  idleTimeout: timeout.optional(),
  collect: z.boolean().default(false),
  encoding: z.enum(['utf8', 'buffer']).default('utf8'),
  reject: z.boolean().default(true),
});

/** Used for a call without options, which needs no check. */
export const defaultExecuteOptions = executeOptionsSchema.parse({});

export const startOptionsSchema = z.strictObject({ signal: abortSignal.optional() });
export const stopOptionsSchema = z.strictObject({ grace: duration.optional() });

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
