// The end of an incarnation in words: the report a caller gets, and the error of a start that came to nothing.
import type { Cause, InstanceContext } from '../../machines/instance.ts';
import { type ErrorCode, errorCodes, SpearletError } from '../errors.ts';
import { bounds } from '../options.ts';
import type { Clock } from '../world.ts';
import type { ExitReport } from './instance.ts';
import type { InstanceRecord } from './record.ts';

export const idsOf = ({ id, artifactId }: InstanceRecord) => ({ instanceId: id, artifactId });

export const reportOf = (record: InstanceRecord, { exit, cause, incarnation }: InstanceContext, clock: Clock): ExitReport => ({
  ...idsOf(record),
  incarnation,
  pid: record.pid,
  code: exit?.exitCode ?? null,
  signal: exit?.signal ?? null,
  reason: cause?.reason ?? 'internal',
  message: cause?.message ?? 'ended for no known cause',
  uptime: record.spawnedAt === null ? 0 : Math.round(clock.now() - record.spawnedAt),
  stderr: record.output.stderrTail(bounds.reportedLines),
  outputBytes: record.output.totalBytes,
  droppedBytes: record.output.droppedBytes,
});

/** How it ended, in words. */
export const endingOf = ({ code, signal, message }: ExitReport): string =>
  code === null && signal === null ? message : `${message} (${signal === null ? `exit code ${code}` : `signal ${signal}`})`;

export const codeOf = ({ code }: Cause): ErrorCode => (code in errorCodes ? (code as ErrorCode) : 'INTERNAL');

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
