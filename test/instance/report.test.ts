// The ExitReport, and the texts about the end of an instance.
import { expect, test } from 'vitest';
import { SpearletError } from '../../src/errors.ts';
import type { ExitReport } from '../../src/instance/instance.ts';
import { newRun } from '../../src/instance/program-run.ts';
import type { InstanceRecord } from '../../src/instance/record.ts';
import { asErrorCode, causeOf, endingOf, reportOf, startFailure } from '../../src/instance/report.ts';
import { handClock } from '../world/clock.ts';

const cause = (code: string, message = 'it failed') => ({ code, message, reason: 'failed' }) as never;
const refusals = (count: number) => ({ count, last: [{ at: 0, peer: 'p', code: 'AUTH_REFUSED', message: 'wrong token' }] });
const record = (more: object = {}): InstanceRecord =>
  ({ id: 'i', artifactId: 'a', report: null, refused: 0, refusals: { count: 0, last: [] }, run: newRun(), ...more }) as never;
const report = (more: Partial<ExitReport>): ExitReport => ({ code: null, signal: null, message: 'it ended', ...more }) as ExitReport;

test('an unknown code becomes INTERNAL', () => {
  expect([asErrorCode('LINK_LOST'), asErrorCode('NO_SUCH_CODE'), asErrorCode('toString')]).toEqual(['LINK_LOST', 'INTERNAL', 'INTERNAL']);
});

test('the text of an end has the exit code or the signal, where there is one', () => {
  expect(endingOf(report({}))).toBe('it ended');
  expect(endingOf(report({ code: 0 }))).toBe('it ended (exit code 0)');
  expect(endingOf(report({ signal: 'SIGKILL' }))).toBe('it ended (signal SIGKILL)');
});

test('the error of a failed start has all known facts, and a hint', () => {
  expect(startFailure(record(), cause('SPAWN_FAILED'))).toMatchObject({
    code: 'SPAWN_FAILED',
    message: 'a: it failed',
    hint: expect.stringContaining('by hand'),
    refused: 0,
    instanceId: 'i',
    artifactId: 'a',
  });
  const all = startFailure(
    record({ report: report({ code: 3, stderr: 'oh no' }), refused: 1, refusals: refusals(1) }),
    cause('EXITED_BEFORE_READY'),
  );
  expect(all.message).toBe('a: it failed; exit code 3; 1 connection was refused: AUTH_REFUSED wrong token; its stderr ends:\n  | oh no');
  expect(all).toMatchObject({ exitCode: 3, signal: null, stderr: 'oh no', refused: 1, hint: expect.stringContaining('by hand') });
  const signalled = startFailure(
    record({ report: report({ signal: 'SIGSEGV', stderr: '' }), refused: 2, refusals: refusals(2) }),
    cause('CONNECT_TIMEOUT'),
  );
  expect(signalled.message).toBe('a: it failed; signal SIGSEGV; 2 connections were refused, the last: AUTH_REFUSED wrong token');
  expect(signalled.hint).toContain('connectTimeout');
  const failed = (thrown: unknown) => startFailure(record({ run: { ...newRun(), thrown } }), cause('LISTEN_FAILED'));
  const system = new Error('EMFILE');
  expect(failed(new SpearletError('LISTEN_FAILED', 'no', { hint: 'do that', cause: system }))).toMatchObject({
    hint: 'do that',
    cause: system,
  });
  expect(failed(system)).toMatchObject({ hint: expect.stringContaining('`cause`'), cause: system });
});

test('executions get a cause only where it says more than the end itself', () => {
  const why = (given: unknown) => causeOf(record(), { cause: given } as never);
  expect([why(null), why(cause('OUTCOME_UNKNOWN')), why(cause('INSTANCE_STOPPED'))]).toEqual([undefined, undefined, undefined]);
  expect(why(cause('LINK_LOST', 'it was silent'))).toMatchObject({ code: 'LINK_LOST', message: 'it was silent', instanceId: 'i' });
});

test('a report has the uptime, the stop stage at which the program ended, and the processes that are left', () => {
  const clock = handClock();
  const run = { spawnedAt: 400.4, exitedAt: null, stopStages: { asked: 1, signalled: 2 }, peakMemory: 5, ending: null, program: null };
  const output = { stderrTail: () => 'tail', totalBytes: 7, droppedBytes: 2 };
  const of = (changes: object, context: object = {}) =>
    reportOf(record({ pid: 9, output, run: { ...run, ...changes } }), { cause: null, incarnation: 3, ...context } as never, clock);
  expect(of({})).toEqual({
    instanceId: 'i',
    artifactId: 'a',
    pid: 9,
    uptime: 600,
    stopStage: 'signalled',
    stopStages: run.stopStages,
    peakMemory: 5,
    left: [],
    stderr: 'tail',
    outputBytes: 7,
    droppedBytes: 2,
    incarnation: 3,
    code: null,
    signal: null,
    reason: 'internal',
    message: 'the incarnation ended without a known cause',
  });
  expect(of({ exitedAt: 500 }).uptime).toBe(100);
  expect(of({ spawnedAt: null, stopStages: {} })).toMatchObject({ uptime: 0, stopStage: null });
  expect(of({ exit: { exitCode: 4, signal: null } }, { cause: cause('X') })).toMatchObject({ code: 4, signal: null, reason: 'failed' });
  const entry = { pid: 5, command: 'sleep 9', startTime: 1 };
  expect(of({ ending: { left: [entry], complete: true } }).left).toEqual([{ pid: 5, command: 'sleep 9' }]);
  expect(of({ program: { tree: { leftovers: () => [entry] } } }).left).toEqual([{ pid: 5, command: 'sleep 9' }]);
  expect(of({ program: { tree: null } }).left).toEqual([]);
});
