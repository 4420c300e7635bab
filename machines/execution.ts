// One execution, as a chart, from the caller's side. It is drawn and tested; what runs per request is the table in
// src/runtime/execution.ts, which a test proves equal on every path: a machine per request would cost more than the request.
import { setup } from 'xstate';

export type ExecutionEvent =
  | { type: 'written' }
  | { type: 'started' }
  | { type: 'running' }
  | { type: 'completed' }
  | { type: 'failed' }
  | { type: 'cancel' }
  | { type: 'deadline' }
  | { type: 'lost' };

export const executionMachine = setup({ types: { events: {} as ExecutionEvent } }).createMachine({
  id: 'execution',
  description: 'One execution. It reaches exactly one of its final states, once.',
  initial: 'waiting',
  states: {
    waiting: {
      description: 'Not one byte of the request has been handed to a socket.',
      on: { written: 'sent', cancel: 'cancelled', deadline: 'timedOut', lost: 'undelivered' },
    },
    sent: {
      description: 'The request is on its way; nothing has come back.',
      on: {
        started: 'started',
        running: 'started',
        completed: 'completed',
        failed: 'failed',
        cancel: 'cancelled',
        deadline: 'timedOut',
        lost: 'unknown',
      },
    },
    started: {
      description: 'The agent works on it and may send output.',
      on: { running: 'started', completed: 'completed', failed: 'failed', cancel: 'cancelled', deadline: 'timedOut', lost: 'unknown' },
    },
    completed: { description: 'The agent answered Completed.', type: 'final' },
    failed: { description: 'The agent answered Failed.', type: 'final' },
    cancelled: { description: 'The caller no longer wants it. The agent is told.', type: 'final' },
    timedOut: { description: 'It took longer than allowed. The agent is told.', type: 'final' },
    undelivered: { description: 'It will never be sent: safe to try again.', type: 'final' },
    unknown: { description: 'No answer will come: it may have been done, or not, or in part.', type: 'final' },
  },
});
