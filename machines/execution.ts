// One execution, as a chart, from the caller's side. It is drawn and tested; what runs per request is the table in
// src/execution/phases.ts, which a test proves equal on every path: a machine per request would cost more than the request.
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
  description: 'One execution. It reaches exactly one final state, once.',
  initial: 'waiting',
  states: {
    waiting: {
      description: 'The request was not handed to a socket whole, so the agent does not execute it.',
      on: { written: 'sent', cancel: 'cancelled', deadline: 'timedOut', lost: 'undelivered' },
    },
    sent: {
      description: 'The request was handed to the socket. No response has arrived.',
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
      description: 'The agent has started the execution and may send output.',
      on: { running: 'started', completed: 'completed', failed: 'failed', cancel: 'cancelled', deadline: 'timedOut', lost: 'unknown' },
    },
    completed: { description: 'The agent has answered Completed.', type: 'final' },
    failed: { description: 'The agent has answered Failed.', type: 'final' },
    cancelled: { description: 'The caller has cancelled the execution. The host tells the agent.', type: 'final' },
    timedOut: { description: 'The execution took longer than its timeout. The host tells the agent.', type: 'final' },
    undelivered: { description: 'The request was not sent and will never be sent: a retry is safe.', type: 'final' },
    unknown: { description: 'No answer will arrive. The agent may have done all of the work, a part, or nothing.', type: 'final' },
  },
});
