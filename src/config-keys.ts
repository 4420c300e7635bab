// How the option of an API becomes a key of a configuration file: without a default, durations in seconds or as a text, and with
// the description that an editor shows. It does not know the form of a file.
import { z } from 'zod';
import { MAX_MS } from './limits.ts';
import { durations } from './option-schemas.ts';

const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/;
const WITH_UNIT = /^\d+(\.\d+)?(ms|s|m|h)$/;
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const EXPECTED = "must be a number of seconds, or a text like '250ms', '1.5s', '2m' or '1h'";

/**
 * A duration in ms from seconds, or from a text with a unit: '250ms', '1.5s', '2m', '1h'. One above 0 never becomes 0. Null: it
 * is no duration, or longer than a timer can be.
 */
export function milliseconds(value: number | string): number | null {
  const [, digits = '', unit = 's'] = typeof value === 'number' ? [value, String(value)] : (DURATION.exec(value.trim()) ?? []);
  const ms = digits === '' ? Number.NaN : Number(digits) * UNITS[unit]!;
  if (!(ms >= 0 && ms <= MAX_MS)) return null;
  return ms === 0 ? 0 : Math.max(1, Math.round(ms));
}

/** The schema of a duration in a file, for the schema of an option in ms. */
export const inSeconds = (option: z.ZodType<number>) =>
  z.union([z.number(), z.string().regex(WITH_UNIT, { error: EXPECTED })], { error: EXPECTED }).transform((value, check): number => {
    const ms = milliseconds(value);
    if (ms !== null && option.safeParse(ms).success) return ms;
    check.issues.push({ code: 'custom', input: value, message: 'is too short or too long here' });
    return z.NEVER;
  });

interface Def {
  readonly type: string;
  readonly innerType: z.ZodType;
  readonly in: z.ZodType;
  readonly options: readonly z.ZodType[];
  readonly shape: Readonly<Record<string, z.ZodType>>;
  readonly checks?: readonly never[];
}

/** What an editor shows for the keys whose options stand in option-schemas.ts alone. */
const descriptions: Readonly<Record<string, string>> = {
  authTimeout: 'The longest time from a connection to its authentication; 5 s by default',
  backoff: 'The waits before restarts; 0.2 s to 30 s by default',
  connectTimeout: 'The longest time from spawn to ready; 30 s by default',
  containment: "'namespace' is used if the system allows it; 'cookie' by default",
  grace: 'How long a program may take to end by itself when it is stopped; 5 s by default',
  heartbeat: 'A connection ends after `misses` silent intervals in a row (at least 2); 10 s and 3 by default',
  host: 'The loopback address of the listeners; 127.0.0.1 by default',
  intensity: 'How many failures of one instance in a `period` are followed by a restart; 3 by default',
  jitter: "How the waits are spread below their bound; 'full' by default",
  killSignal: "What every process of the tree gets before SIGKILL; 'SIGTERM' by default",
  neverRestartOn: 'Exit codes after which the program is not restarted, whatever `restart` says',
  listener: "'shared': one listener for all instances; 'perInstance' by default",
  maxConcurrentStarts: 'How many first starts may be under way at once, and as many restarts; 4 by default',
  onUnresponsive: "Whether an agent is restarted that does not answer a cancel within `grace`; 'leave' by default",
  origins: "The origins of web pages that may connect, for transport 'ws'",
  ports: 'The range of ports { from, to }; or 0: the system chooses',
  period: 'The time in which failures are counted; 60 s by default',
  protocols: 'The versions of the wire that agents may speak; both by default',
  reconnectWindow: 'How long a lost session is waited for; 10 s by default',
  requireContainment: 'The containment that must hold; without it the instance does not start',
  retryStart: 'Whether a program that fails before its first ready is started again, within the restart intensity; false by default',
  endWithHost: 'Whether the programs end also when spearlet itself exits without stopping them; true by default',
  stateDir: 'The folder in which spearlet records the programs that it has started, so that the next run can end what is left of them',
  successCodes: 'Exit codes that count as a clean end, beside 0',
  transport: "What connects the program to spearlet; 'tcp' by default",
};

const isInfinite = (option: z.ZodType): boolean => option instanceof z.ZodLiteral && option.value === Number.POSITIVE_INFINITY;

/** The schema of a key in a file, for the schema of an option. */
function inFile(option: z.ZodType): z.ZodType {
  if (durations.has(option)) return inSeconds(option as z.ZodType<number>);
  const { type, innerType, in: input, options, shape, checks } = option.def as never as Def;
  if (type === 'default' || type === 'prefault' || type === 'optional') return inFile(innerType).optional();
  // A transformed option with a default: the transform is left to the API.
  if (type === 'pipe' && input.def.type === 'default') return inFile(input);
  // JSON has no Infinity.
  if (type === 'union') return z.union(options.filter(each => !isInfinite(each)).map(inFile));
  if (type === 'object') return z.strictObject(keysOf(shape)).check(...(checks ?? []));
  return option;
}

/** The keys in a file for the options of an API, except those named in `without`. */
export const keysOf = (shape: Readonly<Record<string, z.ZodType>>, without: readonly string[] = []): Record<string, z.ZodType> =>
  Object.fromEntries(
    Object.entries(shape)
      .filter(([key]) => !without.includes(key))
      .map(([key, option]) => [key, Object.hasOwn(descriptions, key) ? inFile(option).describe(descriptions[key]!) : inFile(option)]),
  );
