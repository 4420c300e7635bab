// Describes the end of an incarnation: the ExitReport, the error of a failed start, and how both read as text.
import type { Cause, InstanceContext, StopStage } from '../../machines/instance-types.ts';
import { refusalsInWords } from '../connection/refusals.ts';
import { type ErrorCode, errorCodes, SpearletError } from '../errors.ts';
import { bounds } from '../limits.ts';
import { printable } from '../printable.ts';
import type { Clock } from '../world/clock.ts';
import type { ExitReport } from './instance.ts';
import type { ProgramRun } from './program-run.ts';
import type { InstanceRecord } from './record.ts';

export const idsOf = ({ id, artifactId }: InstanceRecord) => ({ instanceId: id, artifactId });

/** The most characters of the command of a process in `left`. */
const COMMAND = 200;
/** The most characters of stderr in a text for people. */
const STDERR = 2_000;

/** The end of a program's stderr, as lines with a mark: none can be mistaken for a line of spearlet. */
export const stderrLines = (stderr: string): string[] =>
  stderr === ''
    ? []
    : stderr
        .slice(-STDERR)
        .trimEnd()
        .split('\n')
        .map(line => `  | ${printable(line, STDERR)}`);

/** The fields of a report that do not depend on the chart. */
export const factsOf = (record: InstanceRecord, clock: Clock) => {
  const { spawnedAt, exitedAt, stopStages, peakMemory, ending, program } = record.run;
  const left = ending?.left ?? program?.tree?.leftovers() ?? [];
  return {
    ...idsOf(record),
    pid: record.pid,
    uptime: spawnedAt === null ? 0 : Math.round((exitedAt ?? clock.now()) - spawnedAt),
    stopStage: (Object.keys(stopStages) as StopStage[]).at(-1) ?? null,
    stopStages,
    peakMemory,
    // A process chooses its command line itself, so it is escaped.
    left: left.map(({ pid, command }) => ({ pid, command: printable(command, COMMAND) })),
    stderr: record.output.stderrTail(bounds.reportedLines),
    outputBytes: record.output.totalBytes,
    droppedBytes: record.output.droppedBytes,
  };
};

/** The cause of an end for which the chart has none: a defect. */
export const unknownCause: Cause = {
  reason: 'internal',
  code: 'INTERNAL',
  message: 'the incarnation ended without a known cause',
  final: true,
};

export const reportOf = (record: InstanceRecord, { cause, incarnation }: InstanceContext, clock: Clock): ExitReport => {
  const { reason, message } = cause ?? unknownCause;
  const { exit } = record.run;
  return { ...factsOf(record, clock), incarnation, code: exit?.exitCode ?? null, signal: exit?.signal ?? null, reason, message };
};

/** The end of an incarnation as text. */
export const endingOf = ({ code, signal, message }: ExitReport): string =>
  code === null && signal === null ? message : `${message} (${signal === null ? `exit code ${code}` : `signal ${signal}`})`;

export const asErrorCode = (code: string): ErrorCode => (Object.hasOwn(errorCodes, code) ? (code as ErrorCode) : 'INTERNAL');
export const codeOf = ({ code }: Cause): ErrorCode => asErrorCode(code);

/** What the effect that failed says beside its code and message; an error of the system is itself the cause. */
export function thrownFacts({ thrown }: ProgramRun): { hint?: string; cause?: unknown } {
  return thrown instanceof SpearletError ? { hint: thrown.hint, cause: thrown.cause } : { cause: thrown };
}

/** The error with which a failed start rejects. */
export function startFailure(record: InstanceRecord, cause: Cause): SpearletError {
  const { report, refused, refusals } = record;
  const parts = [`${printable(record.artifactId, COMMAND)}: ${cause.message}`];
  if (report?.code != null) parts.push(`exit code ${report.code}`);
  if (report?.signal != null) parts.push(`signal ${report.signal}`);
  if (refusals.count > 0) parts.push(refusalsInWords(refusals));
  if (report?.stderr) parts.push(['its stderr ends:', ...stderrLines(report.stderr)].join('\n'));
  return new SpearletError(codeOf(cause), parts.join('; '), {
    ...idsOf(record),
    exitCode: report?.code,
    signal: report?.signal,
    stderr: report?.stderr,
    refused,
    ...thrownFacts(record.run),
  });
}

/** Settles the promises of an instance whose chart cannot: it has failed, or never started. */
export function endWithoutChart(record: InstanceRecord, clock: Clock, reason: Cause['reason'], why: string, error: SpearletError): void {
  record.requests.close(why, error);
  record.requests.end();
  record.failure = error;
  record.ready.reject(error);
  const { incarnation } = record;
  record.report = { ...factsOf(record, clock), incarnation, code: null, signal: null, reason, message: error.message };
  record.exited.resolve(record.report);
  record.forget();
}

/** The `cause` of the errors with which the executions of an incarnation end. */
export function causeOf(record: InstanceRecord, { cause }: InstanceContext): SpearletError | undefined {
  // For a crash or an exit by itself, a cause would repeat the message.
  if (cause === null || cause.code === 'OUTCOME_UNKNOWN' || cause.code === 'INSTANCE_STOPPED') return undefined;
  return new SpearletError(codeOf(cause), cause.message, { ...idsOf(record), ...thrownFacts(record.run) });
}
