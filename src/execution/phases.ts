// The phases of an execution: machines/execution.ts as the table that runs for each request. A test proves the two equal.
import type { Status } from '../protocol/message.ts';

export type Phase = 'waiting' | 'sent' | 'started' | 'completed' | 'failed' | 'cancelled' | 'timedOut' | 'undelivered' | 'unknown';
export type ExecutionEvent = 'written' | 'started' | 'running' | 'completed' | 'failed' | 'cancel' | 'deadline' | 'lost';

const working = {
  running: 'started',
  completed: 'completed',
  failed: 'failed',
  cancel: 'cancelled',
  deadline: 'timedOut',
  lost: 'unknown',
} as const;

/** Which phase follows on each event. No phase follows a final one. */
export const table: Readonly<Record<Phase, Partial<Readonly<Record<ExecutionEvent, Phase>>>>> = {
  waiting: { written: 'sent', cancel: 'cancelled', deadline: 'timedOut', lost: 'undelivered' },
  sent: { started: 'started', ...working },
  started: working,
  completed: {},
  failed: {},
  cancelled: {},
  timedOut: {},
  undelivered: {},
  unknown: {},
};

export const eventOf: Readonly<Record<Status, ExecutionEvent>> = {
  Started: 'started',
  Running: 'running',
  Completed: 'completed',
  Failed: 'failed',
};
