// Every option: its default, and what is just allowed and what is just not.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseRequest } from '../src/execution/request.ts';
import { executeOptionsSchema, expectSchema, requestSchema, spearletSchema, specSchema, stopOptionsSchema } from '../src/option-schemas.ts';
import { size } from '../src/option-values.ts';
import { parse } from '../src/parse.ts';
import { poolExecuteOptionsSchema, poolSchema } from '../src/pool/option-schemas.ts';

const spec = { artifactId: 'a', command: 'c' };
const LONGEST = 2_147_483_647;

test('without options these are the defaults', () => {
  expect(spearletSchema.parse({})).toEqual({
    host: '127.0.0.1',
    ports: { from: 9_100, to: 32_767 },
    listener: 'perInstance',
    connectTimeout: 30_000,
    endWithHost: true,
    authTimeout: 5_000,
    reconnectWindow: 10_000,
    grace: 5_000,
    heartbeat: { interval: 10_000, misses: 3 },
    restart: { intensity: 3, period: 60_000, backoff: { min: 200, max: 30_000, jitter: 'full' } },
    protocols: [1, 2],
    maxFrameBytes: 33_554_432,
    maxPreAuthFrameBytes: 16_384,
    maxInFlight: 1_024,
    maxQueuedBytes: 8_388_608,
    maxConcurrentStarts: 4,
  });
  expect(specSchema.parse(spec)).toEqual({
    ...spec,
    runtimeType: 'process',
    args: [],
    environment: new Map(),
    restart: 'temporary',
    retryStart: false,
    containment: 'cookie',
    onUnresponsive: 'leave',
    transport: 'tcp',
    origins: [],
  });
  const named = (command: string) => specSchema.parse({ command }).artifactId;
  expect([named('/usr/bin/node'), named('./agent.js'), named('/'), named(`x/${'y'.repeat(300)}`)]).toEqual([
    'node',
    'agent.js',
    '/',
    'y'.repeat(256),
  ]);
  expect(requestSchema.parse({ command: 'c' })).toEqual({ command: 'c', args: [], env: new Map() });
  expect(executeOptionsSchema.parse({})).toEqual({ cancelOnReturn: false, encoding: 'utf8', reject: true });
  expect(poolExecuteOptionsSchema.parse({})).toEqual({ cancelOnReturn: false, encoding: 'utf8', reject: true, retry: 'undelivered' });
  expect(poolSchema.parse({})).toEqual({ min: 1, max: 1, warm: 0, idle: 30_000, queue: 1_024, maxConcurrency: 1 });
  expect(poolSchema.parse({ min: 3 }).max).toBe(3);
  expect(poolSchema.parse({ min: 0 }).max).toBe(1);
});

/** An option, the least and the most that it may be. */
const ranges: [name: string, of: (value: number) => object, min: number, max: number][] = [
  ['connectTimeout', connectTimeout => ({ connectTimeout }), 1, LONGEST],
  ['authTimeout', authTimeout => ({ authTimeout }), 1, LONGEST],
  ['reconnectWindow', reconnectWindow => ({ reconnectWindow }), 0, LONGEST],
  ['grace', grace => ({ grace }), 0, LONGEST],
  ['heartbeat.interval', interval => ({ heartbeat: { interval } }), 10, LONGEST],
  ['heartbeat.misses', misses => ({ heartbeat: { misses } }), 1, 100],
  ['restart.intensity', intensity => ({ restart: { intensity } }), 0, 1_000_000],
  ['restart.period', period => ({ restart: { period } }), 1, LONGEST],
  ['restart.backoff.min', min => ({ restart: { backoff: { min, max: LONGEST } } }), 1, LONGEST],
  ['restart.backoff.max', max => ({ restart: { backoff: { min: 1, max } } }), 1, LONGEST],
  ['maxFrameBytes', maxFrameBytes => ({ maxFrameBytes }), 1, 4_294_967_296],
  ['maxPreAuthFrameBytes', maxPreAuthFrameBytes => ({ maxPreAuthFrameBytes }), 1, 4_294_967_296],
  ['maxInFlight', maxInFlight => ({ maxInFlight }), 1, 1_000_000],
  ['maxQueuedBytes', maxQueuedBytes => ({ maxQueuedBytes }), 1, 4_294_967_296],
  ['maxConcurrentStarts', maxConcurrentStarts => ({ maxConcurrentStarts }), 1, 10_000],
  ['ports.from', from => ({ ports: { from, to: 65_535 } }), 1, 65_535],
  ['ports.to', to => ({ ports: { from: 1, to } }), 1, 65_535],
];

test.each(ranges)('%s is a whole number within its bounds', (_, of, min, max) => {
  const isAllowed = (value: number): boolean => spearletSchema.safeParse(of(value)).success;
  expect([min - 1, min, min + 0.5, max, max + 1].map(isAllowed)).toEqual([false, true, false, true, false]);
});

test('timeouts of specs, executions and stops are within the same bounds', () => {
  const isAllowed = (value: number): boolean[] => [
    specSchema.safeParse({ ...spec, timeout: value }).success,
    expectSchema.safeParse({ artifactId: 'a', timeout: value }).success,
    executeOptionsSchema.safeParse({ timeout: value }).success,
    stopOptionsSchema.safeParse({ grace: value }).success,
  ];
  expect([0, 1, LONGEST, LONGEST + 1].map(isAllowed)).toEqual([
    [false, false, false, true],
    [true, true, true, true],
    [true, true, true, true],
    [false, false, false, false],
  ]);
});

test('a range may be one number, and not upside down', () => {
  const isAllowed = (options: object): boolean => spearletSchema.safeParse(options).success;
  const backoff = (min: number, max: number) => ({ restart: { backoff: { min, max } } });
  expect([isAllowed(backoff(5, 5)), isAllowed(backoff(6, 5))]).toEqual([true, false]);
  const ports = (from: number, to: number) => ({ ports: { from, to } });
  expect([isAllowed(ports(5, 5)), isAllowed(ports(6, 5)), isAllowed({ ports: 0 }), isAllowed({ ports: 1 })]).toEqual([
    true,
    false,
    true,
    false,
  ]);
});

test('the host is a loopback address', () => {
  const hostOf = (host: string) => spearletSchema.safeParse({ host }).data?.host;
  expect(['127.0.0.1', '127.255.0.3', '::1', 'localhost'].map(hostOf)).toEqual(['127.0.0.1', '127.255.0.3', '::1', '127.0.0.1']);
  for (const host of ['0.0.0.0', '128.0.0.1', '127.0.0', '127.0.0.1.2', 'example.org', '::', '1127.0.0.1', '127.0.0.1x'])
    expect(hostOf(host)).toBe(undefined);
});

test('a size is bytes, or a text with a unit of 1,000 or of 1,024', () => {
  const units = { B: 1, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, KiB: 1_024, MiB: 1_048_576, GiB: 1_073_741_824, TiB: 1_099_511_627_776 };
  for (const [unit, value] of Object.entries(units)) expect(size.parse(`3${unit}`)).toBe(3 * value);
  expect([size.parse(1), size.parse('1.5KB'), size.parse('0.0015KB')]).toEqual([1, 1_500, 1]);
  for (const wrong of [0, -1, 1.5, '', '1', 'GB', '1 GB', '1gb', '-1GB', '1.GB', '.5GB', '1GBx'])
    expect(size.safeParse(wrong).success).toBe(false);
});

test('names and texts are what a system call takes', () => {
  const isAllowed = (more: object): boolean => specSchema.safeParse({ ...spec, ...more }).success;
  expect([isAllowed({ artifactId: 'x'.repeat(256) }), isAllowed({ artifactId: 'x'.repeat(257) }), isAllowed({ artifactId: '' })]).toEqual([
    true,
    false,
    false,
  ]);
  for (const wrong of ['a\0b', '\ud800', '']) expect(isAllowed({ command: wrong })).toBe(false);
  expect([isAllowed({ args: [''] }), isAllowed({ args: ['a\0'] }), isAllowed({ workingDirectory: '' })]).toEqual([true, false, false]);
  for (const name of ['', 'a=b', 'a\0']) expect(isAllowed({ environment: { [name]: 'x' } })).toBe(false);
  for (const wrong of [[], null, 'x', { a: 1 }, { a: 'x\0' }]) expect(isAllowed({ environment: wrong })).toBe(false);
  expect(specSchema.parse({ ...spec, environment: new Map([['A', '1']]) }).environment).toEqual(new Map([['A', '1']]));
  expect([
    requestSchema.safeParse({ command: 'c', taskId: 'x'.repeat(1_024) }).success,
    requestSchema.safeParse({ command: 'c', taskId: 'x'.repeat(1_025) }).success,
  ]).toEqual([true, false]);
  expect([requestSchema.safeParse({ command: '' }).success, requestSchema.safeParse({ command: 'c', env: { '': 'x' } }).success]).toEqual([
    true,
    true,
  ]);
});

test('a logger has all that is used of it, an observer is a function or has next', () => {
  const isAllowed = (options: object): boolean => spearletSchema.safeParse(options).success;
  const levels = ['child', 'trace', 'debug', 'info', 'warn', 'error'];
  const logger = Object.fromEntries(levels.map(name => [name, () => {}]));
  expect([isAllowed({ logger }), isAllowed({ logger: false }), isAllowed({ logger: true }), isAllowed({ logger: null })]).toEqual([
    true,
    true,
    false,
    false,
  ]);
  for (const name of levels) expect(isAllowed({ logger: { ...logger, [name]: undefined } })).toBe(false);
  expect([
    isAllowed({ inspect: () => {} }),
    isAllowed({ inspect: { next() {} } }),
    isAllowed({ inspect: {} }),
    isAllowed({ inspect: null }),
  ]).toEqual([true, true, false, false]);
});

test('a plain request is parsed as the schema parses it, whatever it holds', () => {
  const texts = fc.oneof(fc.string({ unit: 'binary' }), fc.constant('\ud800'), fc.integer(), fc.constant(undefined));
  const requests = fc.record(
    {
      command: texts,
      args: fc.oneof(fc.array(texts), fc.constant('x'), fc.constant(undefined)),
      extra: fc.constant(1),
      taskId: fc.constant('t'),
    },
    { requiredKeys: [] },
  );
  const outcome = (run: () => unknown): unknown => {
    try {
      return run();
    } catch (error) {
      return (error as Error).message;
    }
  };
  fc.assert(
    fc.property(requests, request => {
      expect(outcome(() => parseRequest(request as never))).toEqual(outcome(() => parse(requestSchema, request, 'execute()')));
    }),
  );
});

test.each([
  ['min', 0, 1_000],
  ['max', 1, 1_000],
  ['warm', 0, 1_000],
  ['idle', 1, LONGEST],
  ['recycleAfter', 1, Number.MAX_SAFE_INTEGER],
  ['queue', 0, 1_000_000],
  ['maxConcurrency', 1, 1_024],
])('the option `%s` of a pool is from %i to %i', (name, min, max) => {
  const fits = (value: number): boolean =>
    poolSchema.safeParse({ ...(name === 'max' ? { min: 0 } : { max: 1_000 }), [name]: value }).success;
  expect([fits(min - 1), fits(min), fits(max), fits(max + 1), fits(min + 0.5)]).toEqual([false, true, true, false, false]);
});
