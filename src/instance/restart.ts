// A restart on request, as its caller sees it: the chart restarts, and this waits until the new program is ready.
import { SpearletError } from '../errors.ts';
import { executesAtOnce } from './instance.ts';
import type { InstanceRecord } from './record.ts';
import { endingOf, idsOf } from './report.ts';

/** Resolves when the next incarnation is ready. Rejects with INSTANCE_STOPPED or INVALID_OPTIONS. */
export async function restart(record: InstanceRecord, grace: number): Promise<void> {
  if (record.spec === null)
    throw new SpearletError('INVALID_OPTIONS', 'the program of an instance of expect() is not started by the host', {
      ...idsOf(record),
      hint: 'Stop the instance, and expect another one.',
    });
  // The present incarnation has not begun its program yet: that is the one to wait for.
  const next = record.state === 'allocating' ? record.incarnation : record.incarnation + 1;
  record.restart(grace);
  const isReady = await new Promise<boolean>(resolve => {
    const watching = record.state$.subscribe({
      next(state) {
        if (!executesAtOnce(state) || record.incarnation < next) return;
        resolve(true);
        queueMicrotask(() => watching.unsubscribe());
      },
      complete: () => resolve(false),
    });
  });
  if (isReady) return;
  const { report, failure } = record;
  const why = report === null ? (failure?.message ?? 'it is stopped') : endingOf(report);
  throw new SpearletError('INSTANCE_STOPPED', `the instance is not restarted: ${why}`, {
    ...idsOf(record),
    exitCode: report?.code,
    signal: report?.signal,
    stderr: report?.stderr,
    cause: failure ?? undefined,
  });
}
