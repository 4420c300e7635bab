// The executions of an agent: the signal that a handler may ask for, who is cancelled, and what is answered.
import { expect, test } from 'vitest';
import type { Answers } from '../../src/agent/answers.ts';
import type { Delivery } from '../../src/agent/delivery.ts';
import type { Handler } from '../../src/agent/handler.ts';
import { createTasks } from '../../src/agent/task.ts';

const requestOf = (taskId: string) => ({ taskId, command: 'c', args: [], env: new Map() });

function open(handler: Handler) {
  const told: string[] = [];
  const answers = {
    delivery: (requestId: number, taskId: string): Delivery => ({
      requestId,
      taskId,
      session: 1,
      startedSent: false,
      sentBytes: 0,
      credit: 1,
      waiting: [],
    }),
    window() {},
    signal: ({ taskId }: Delivery, { signal, value }: { signal: string; value: { message: string } }) =>
      void told.push(`${signal} ${taskId} ${value.message}`),
    started: ({ taskId }: Delivery) => void told.push(`started ${taskId}`),
    result: ({ taskId }: Delivery, answer: { status: string; error: string | null }) =>
      void told.push(`${answer.status} ${taskId}${answer.error === null ? '' : `: ${answer.error}`}`),
  };
  return { told, tasks: createTasks(handler, answers as never as Answers, () => 1_000) };
}
const cancelled = (message: string) => expect.objectContaining({ code: 'CANCELLED', message });

test('the signal is aborted with the first reason, whether a handler asks for it before or after, and is always the same', () => {
  const signals = new Map<string, () => AbortSignal>();
  const { tasks } = open(({ taskId }, context) => {
    signals.set(taskId, () => context.signal);
    if (taskId === 'before') expect(context.signal.aborted).toBe(false);
    return new Promise(() => {});
  });
  tasks.run(1, requestOf('before'));
  tasks.run(2, requestOf('after'));
  const asked = signals.get('before')!();
  tasks.cancel(1, 'before');
  tasks.cancel(2, 'after');
  tasks.abortAll('this agent has to end');
  for (const signal of signals.values()) {
    expect(signal().reason).toEqual(cancelled('cancelled by the host'));
    expect(signal()).toBe(signal());
  }
  expect(signals.get('before')!()).toBe(asked);
});

test('a cancel is for the request and the task that it names, and for no other', () => {
  const signals = new Map<string, AbortSignal>();
  const { tasks } = open(({ taskId }, { signal }) => {
    signals.set(taskId, signal);
    return new Promise(() => {});
  });
  tasks.run(1, requestOf('a'));
  tasks.run(2, requestOf('b'));
  tasks.cancel(1, 'b');
  tasks.cancel(3, 'a');
  tasks.cancel(2, 'b');
  expect([signals.get('a')!.aborted, signals.get('b')!.aborted]).toEqual([false, true]);
  expect(tasks.deliveries().map(({ taskId }) => taskId)).toEqual(['a', 'b']);
  tasks.clear();
  expect(tasks.size).toBe(0);
});

test('only an execution that does not end in its turn is started, and after drain() none is taken', async () => {
  const { told, tasks } = open(({ taskId }) => (taskId === 'slow' ? new Promise(() => {}) : undefined));
  tasks.run(1, requestOf('quick'));
  tasks.run(2, requestOf('slow'));
  expect(told).toEqual(['Completed quick']);
  await new Promise<void>(resolve => setImmediate(resolve));
  expect(told).toEqual(['Completed quick', 'started slow']);
  tasks.drain();
  tasks.run(3, requestOf('late'));
  expect(told.at(-1)).toBe('Failed late: this agent is ending and takes no more requests');
  expect(tasks.size).toBe(1);
});
