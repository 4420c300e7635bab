// The end of an incarnation in words: the report a caller gets, and the error of a start that came to nothing.
import type { Cause, InstanceContext, StopStage } from '../../machines/instance.ts';
import { type ErrorCode, errorCodes, SpearletError } from '../errors.ts';
import { bounds } from '../options.ts';
import type { Clock } from '../world.ts';
import type { ExitReport } from './instance.ts';
import type { InstanceRecord } from './record.ts';

export const idsOf = ({ id, artifactId }: InstanceRecord) => ({ instanceId: id, artifactId });

/** What every report says, whatever has become of the chart. */
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
    left: left.map(({ pid, command }) => ({ pid, command })),
    stderr: record.output.stderrTail(bounds.reportedLines),
    outputBytes: record.output.totalBytes,
    droppedBytes: record.output.droppedBytes,
  };
};

export const reportOf = (record: InstanceRecord, { cause, incarnation }: InstanceContext, clock: Clock): ExitReport => ({
  ...factsOf(record, clock),
  incarnation,
  code: record.run.exit?.exitCode ?? null,
  signal: record.run.exit?.signal ?? null,
  reason: cause?.reason ?? 'internal',
  message: cause?.message ?? 'ended for no known cause',
});

/** How it ended, in words. */
export const endingOf = ({ code, signal, message }: ExitReport): string =>
  code === null && signal === null ? message : `${message} (${signal === null ? `exit code ${code}` : `signal ${signal}`})`;

export const asErrorCode = (code: string): ErrorCode => (code in errorCodes ? (code as ErrorCode) : 'INTERNAL');
export const codeOf = ({ code }: Cause): ErrorCode => asErrorCode(code);

const hints: Partial<Record<ErrorCode, string>> = {
  CONNECT_TIMEOUT:
    'An agent connects to SPEARLET_ADDR and sends an AuthRequest with SPEARLET_TOKEN; serve() of spearlet/agent does both. Is `connectTimeout` long enough?',
  EXITED_BEFORE_READY: 'Run the program by hand: it has to stay, connect to SPEARLET_ADDR, and authenticate.',
};

/** How a start that came to nothing is told. */
export function startFailure(record: InstanceRecord, cause: Cause): SpearletError {
  const { report, refused } = record;
  const parts = [`${record.artifactId}: ${cause.message}`];
  if (report?.code != null) parts.push(`exit code ${report.code}`);
  if (report?.signal != null) parts.push(`signal ${report.signal}`);
  if (refused > 0)
    parts.push(`${refused} ${refused === 1 ? 'connection was' : 'connections were'} refused for a wrong token or instance id`);
  if (report?.stderr) parts.push(`its stderr ends:\n${report.stderr}`);
  return new SpearletError(codeOf(cause), parts.join('; '), {
    ...idsOf(record),
    exitCode: report?.code,
    signal: report?.signal,
    stderr: report?.stderr,
    refused,
    hint: record.hint ?? hints[codeOf(cause)],
  });
}

/** What the executions of an incarnation are told as the cause of their end. */
export function causeOf(record: InstanceRecord, { cause }: InstanceContext): SpearletError | undefined {
  // A crash or an end by itself has no more to say than the message says.
  if (cause === null || cause.code === 'OUTCOME_UNKNOWN' || cause.code === 'INSTANCE_STOPPED') return undefined;
  return new SpearletError(codeOf(cause), cause.message, idsOf(record));
}
