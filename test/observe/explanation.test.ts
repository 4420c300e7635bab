// The text of an explanation, line by line.
import { expect, test } from 'vitest';
import { type Explanation, textOf } from '../../src/observe/explanation.ts';

const AT = Date.UTC(2026, 0, 1);
const base: Explanation = {
  at: AT,
  instanceId: 'i',
  artifactId: 'a',
  incarnation: 2,
  pid: null,
  address: null,
  state: 'listening',
  chart: { state: 'running.connecting.listening', since: AT - 1_500, meaning: 'No socket is connected.' },
  inFlight: 3,
  session: null,
  connections: [],
  refusals: { count: 0, last: [] },
  lastExit: null,
  waits: [],
  endedBy: [],
  transitions: [],
};
const moved = { at: AT - 500, count: 1, first: AT - 500, event: 'process.exited', facts: {}, guard: null, from: 'a', to: 'b' };
const linesOf = (more: Partial<Explanation>) => textOf({ ...base, ...more }).split('\n');

test('names the instance, its state and since when, and what it waits for', () => {
  expect(
    linesOf({
      waits: [
        { timeout: 'connectTimeout', until: AT + 61_000, meaning: 'an agent connects' },
        { timeout: null, until: null, meaning: 'a start slot' },
      ],
      endedBy: ['stop', 'listener.failed'],
    }),
  ).toEqual([
    'i (a) is listening at 2026-01-01T00:00:00.000Z',
    '  incarnation 2, no pid, no listener, 3 in flight',
    '  running.connecting.listening since 2025-12-31T23:59:58.500Z (1.5 s)',
    '    No socket is connected.',
    '    until 2026-01-01T00:01:01.000Z (in 1 min 1 s, connectTimeout): an agent connects',
    '    waits for a start slot',
    '    left by: stop, listener.failed',
    'transitions of the instance:',
  ]);
});

test('a pid is marked as ended in the states in which no program runs', () => {
  const where = (state: Explanation['state']) => linesOf({ pid: 7, address: '127.0.0.1:9100', state })[1];
  expect(where('ready')).toBe('  incarnation 2, pid 7, 127.0.0.1:9100, 3 in flight');
  for (const state of ['backoff', 'stopped'] as const) expect(where(state)).toContain('pid 7 (ended)');
});

test('durations are shown in the unit that fits their size', () => {
  const of = (ms: number) => linesOf({ chart: { ...base.chart, since: AT - ms } })[2]!.replace(/.*\((.*)\)$/, '$1');
  expect([-5, 0, 999, 1_000, 59_949, 60_000, 119_000, 3_599_000, 3_600_000, 7_380_000].map(of)).toEqual([
    '0 ms',
    '0 ms',
    '999 ms',
    '1.0 s',
    '59.9 s',
    '1 min 0 s',
    '1 min 59 s',
    '59 min 59 s',
    '1 h 0 min',
    '2 h 3 min',
  ]);
});

test('a connection is shown with its peer and its states, and whether it holds the session', () => {
  const connection = {
    connectionId: 'i/connection-1',
    peer: '127.0.0.1:5',
    session: true,
    states: [{ state: 'ready.heartbeat.idle', since: AT, meaning: 'A message has arrived.' }],
    waits: [],
    endedBy: [],
    transitions: [{ ...moved, from: null, to: 'accepted', event: 'xstate.init' }],
  };
  const lines = linesOf({ connections: [connection, { ...connection, connectionId: 'i/connection-2', session: false }] });
  expect(lines.slice(4, 8)).toEqual([
    'connection i/connection-1 from 127.0.0.1:5, which holds the session',
    '  ready.heartbeat.idle since 2026-01-01T00:00:00.000Z (0 ms)',
    '    A message has arrived.',
    '  2025-12-31T23:59:59.500Z  accepted: started',
  ]);
  expect(lines).toContain('connection i/connection-2 from 127.0.0.1:5');
});

test('the session is shown with its state and its own transitions', () => {
  const session = {
    chart: { state: 'resuming', since: AT - 500, meaning: 'The epoch goes on.' },
    ...{ waits: [], endedBy: ['session.claimed'], transitions: [moved] },
  };
  expect(linesOf({ session }).slice(4, -1)).toEqual([
    'session',
    '  resuming since 2025-12-31T23:59:59.500Z (500 ms)',
    '    The epoch goes on.',
    '    left by: session.claimed',
    '  2025-12-31T23:59:59.500Z  a → b: process.exited',
  ]);
});

test('a transition is shown with its cause, the fields of its event, and how often it was taken', () => {
  const line = (more: object) => linesOf({ transitions: [{ ...moved, ...more }] }).at(-1);
  const start = '  2025-12-31T23:59:59.500Z  a → b: ';
  expect(line({})).toBe(`${start}process.exited`);
  expect(line({ facts: { exitCode: 9, signal: null }, guard: 'isFinal' })).toBe(`${start}process.exited [isFinal] exitCode=9`);
  expect(line({ count: 3, first: AT - 1_000 })).toBe(`${start}process.exited (3 times since 2025-12-31T23:59:59.000Z)`);
  expect(line({ event: 'xstate.after.grace.instance.running' })).toBe(`${start}after grace`);
  expect(line({ event: 'xstate.done.actor.authenticator' })).toBe(`${start}authenticator is done`);
  expect(line({ event: 'xstate.error.actor.link' })).toBe(`${start}link failed`);
  expect(line({ event: 'xstate.done.state.instance.running' })).toBe(`${start}running is done`);
});

test('the last exit is shown with the end of its stderr', () => {
  const report = { incarnation: 1, reason: 'crashed', message: 'it failed', code: 4, signal: null, uptime: 1_500, stderr: '' };
  const of = (stderr: string) => linesOf({ lastExit: { ...report, stderr } as never }).slice(4, -1);
  expect(of('')).toEqual(['last exit: incarnation 1, crashed: it failed (exit code 4), after 1.5 s']);
  expect(of('one\ntwo\n').slice(1)).toEqual(['  | one', '  | two']);
  expect(of('x'.repeat(3_000))[1]).toBe(`  | ${'x'.repeat(2_000)}`);
});
