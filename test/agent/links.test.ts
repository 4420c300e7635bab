// The answers of an agent on one connection and on the next one, and its reaction to a cancel, read by a host without spearlet.
import { expect, test } from 'vitest';
import * as v1 from '../../src/protocol/v1/messages.ts';
import { until } from '../situations/world.ts';
import { answer, execute, openHost } from './host.ts';

const said = (taskId: string, status: string, output: string | null, exitCode: number | null, offset?: number): string => {
  const text = output === null ? 'null' : JSON.stringify(output);
  const end = offset === undefined ? '' : `,"output_offset":${offset}`;
  return `{"task_id":"${taskId}","status":"${status}","output":${text},"error":null,"exit_code":${exitCode}${end}}`;
};
const started = (offset?: number) => said('t', 'Started', null, null, offset);
const running = (output: string, offset?: number) => said('t', 'Running', output, null, offset);
const completed = (output: string | null, offset?: number) => said('t', 'Completed', output, 0, offset);

test('on its first connection an agent sends the bytes of wire v1', async () => {
  const host = await openHost('writer.js');
  const link = await host.session();
  execute(link, 7, 't', 'work');
  expect(await answer(link)).toBe(started());
  await host.tell({ task: 't', write: ['é', '😀'], end: 'end' });
  expect([await answer(link), await answer(link), await answer(link)]).toEqual([running('é'), running('😀'), completed('end')]);
});

test('after a reconnect each answer of an execution says how many bytes of output came before it', async () => {
  const host = await openHost('writer.js');
  const first = await host.session();
  execute(first, 7, 't', 'work');
  expect(await answer(first)).toBe(started());
  await host.tell({ task: 't', write: ['é1'] });
  expect(await answer(first)).toBe(running('é1'));
  first.close();
  const waiting = await host.connection();
  // The agent has reconnected, so it knows that the first connection is lost.
  await host.tell({ task: 't', write: ['zwei', '€'] });
  waiting.close();
  const second = await host.session();
  expect(await answer(second)).toBe(started(3));
  expect([await answer(second), await answer(second)]).toEqual([running('zwei', 3), running('€', 7)]);
  await host.tell({ task: 't', write: ['x'] });
  expect(await answer(second)).toBe(running('x', 10));
  // An execution that starts on this connection has lost no output, so its answers have no offset.
  execute(second, 8, 'u', 'work');
  expect(await answer(second)).toBe(said('u', 'Started', null, null));
  await host.tell({ task: 't', end: 'end' });
  expect(await answer(second)).toBe(completed('end', 11));
  second.close();
  const third = await host.session();
  expect(await answer(third)).toBe(said('u', 'Started', null, null, 0));
  expect(await answer(third)).toBe(completed('end', 11));
});

test('a result that is sent again says how many bytes of output came before it', async () => {
  const host = await openHost('writer.js');
  const first = await host.session();
  execute(first, 7, 't', 'work');
  await answer(first);
  await host.tell({ task: 't', write: ['12345'], end: 'end' });
  expect([await answer(first), await answer(first)]).toEqual([running('12345'), completed('end')]);
  first.close();
  expect(await answer(await host.session())).toBe(completed('end', 5));
});

test('an execution that ends without a connection sends its output and then its result, once', async () => {
  const host = await openHost('writer.js');
  const first = await host.session();
  execute(first, 7, 't', 'work');
  await answer(first);
  first.close();
  const waiting = await host.connection();
  await host.tell({ task: 't', write: ['a', 'bc'], end: 'end' });
  waiting.close();
  const second = await host.session();
  execute(second, 8, 'u', 'echo', 'after');
  const all = [await answer(second), await answer(second), await answer(second), await answer(second)];
  expect(all).toEqual([running('a', 0), running('bc', 1), completed('end', 3), said('u', 'Completed', 'after', 0)]);
});

test('queued output is not lost with the connection, and lost output is counted to the byte', async () => {
  const host = await openHost('writer.js');
  const first = await host.session();
  execute(first, 7, 't', 'work');
  await answer(first);
  first.socket.pause();
  const piece = 'x'.repeat(100_000);
  await host.tell({ task: 't', write: Array.from({ length: 100 }, () => piece), end: 'end' });
  first.close();
  const second = await host.session();
  let expected: number | null = null;
  for (;;) {
    const { status, output, output_offset: offset } = JSON.parse(await answer(second));
    // Only what was given to the lost connection is missing: at most 256 KiB and one update, and the buffers of the system.
    if (expected === null && status === 'Running') {
      expect(offset).toBeGreaterThanOrEqual(100_000);
      expect(offset).toBeLessThanOrEqual(5_000_000);
    } else if (expected !== null) expect(offset).toBe(expected);
    if (status === 'Running') expected = offset + output.length;
    if (status === 'Completed') break;
  }
  expect(expected).toBe(10_000_000);
});

test('a cancel ends the execution with its request id, and only if the task id is the same', async () => {
  const host = await openHost('writer.js');
  const link = await host.session();
  const cancel = (requestId: number, taskId: string) =>
    link.send('Signal', requestId, v1.encodeSignal({ signal: 'cancel', task_id: taskId }));
  for (const [requestId, taskId] of [
    [7, 'job-0'],
    [8, 'job-0'],
    [9, 'other'],
  ] as const)
    execute(link, requestId, taskId, 'work');
  for (let n = 0; n < 3; n += 1) await answer(link);
  cancel(99, 'job-0');
  cancel(9, 'job-0');
  cancel(7, 'job-0');
  cancel(7, 'job-0');
  // If a cancel ended the wrong execution, its answer would come before this one.
  execute(link, 10, 'last', 'echo', 'last');
  const isOver = (id: number) =>
    link.received.some(({ requestId, type, payload }) => {
      return type === 'ExecuteResponse' && requestId === id && !payload.includes('Started');
    });
  await until(() => isOver(7) && isOver(10));
  const ended = link.received.flatMap(({ type, requestId, payload }) => {
    if (type !== 'ExecuteResponse') return [];
    const { taskId, status, error } = v1.decodeExecuteResponse(Buffer.from(payload));
    return status === 'Started' ? [] : [{ requestId, taskId, status, error }];
  });
  expect(ended.sort((a, b) => Number(a.requestId) - Number(b.requestId))).toEqual([
    { requestId: 7, taskId: 'job-0', status: 'Failed', error: 'cancelled by the host' },
    { requestId: 10, taskId: 'last', status: 'Completed', error: null },
  ]);
});

test('an agent that has to end sends its last answer, even to a slow reader and after SIGTERM', async () => {
  const host = await openHost('writer.js');
  const link = await host.session();
  link.socket.cork();
  execute(link, 7, 't', 'huge', '6000000');
  link.send('Signal', 1, v1.encodeSignal({ signal: 'terminate', grace_ms: 60_000 }));
  link.socket.uncork();
  await new Promise<void>(resolve => {
    link.socket.once('data', () => {
      link.socket.pause();
      resolve();
    });
  });
  // The host has read the beginning of the answer, and the agent has no other work left.
  await host.tell({});
  host.child.kill('SIGTERM');
  await host.tell({});
  link.socket.resume();
  expect(await answer(link)).toBe(completed('x'.repeat(6_000_000)));
  link.socket.end();
  expect(await host.exited).toBe(0);
});
