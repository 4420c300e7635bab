// What an agent on serve() says on a link, on the next one, and to a cancel: a host spoken by hand reads every byte.
import { expect, test } from 'vitest';
import * as v1 from '../../src/protocol/v1/codec.ts';
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

test('while its first link holds, an agent says the bytes of the seed', async () => {
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
  // It knows by now that its link is lost.
  await host.tell({ task: 't', write: ['zwei', '€'] });
  waiting.close();
  const second = await host.session();
  expect(await answer(second)).toBe(started(3));
  expect([await answer(second), await answer(second)]).toEqual([running('zwei', 3), running('€', 7)]);
  await host.tell({ task: 't', write: ['x'] });
  expect(await answer(second)).toBe(running('x', 10));
  // What begins on this link has missed nothing.
  execute(second, 8, 'u', 'work');
  expect(await answer(second)).toBe(said('u', 'Started', null, null));
  await host.tell({ task: 't', end: 'end' });
  expect(await answer(second)).toBe(completed('end', 11));
  second.close();
  const third = await host.session();
  expect(await answer(third)).toBe(said('u', 'Started', null, null, 0));
  expect(await answer(third)).toBe(completed('end', 11));
});

test('a result that was kept and is sent again says how many bytes of output came before it', async () => {
  const host = await openHost('writer.js');
  const first = await host.session();
  execute(first, 7, 't', 'work');
  await answer(first);
  await host.tell({ task: 't', write: ['12345'], end: 'end' });
  expect([await answer(first), await answer(first)]).toEqual([running('12345'), completed('end')]);
  first.close();
  expect(await answer(await host.session())).toBe(completed('end', 5));
});

test('what ends without a link says its output first and its result last, once', async () => {
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

test('output that no link was given yet is not lost with the link: what is missing is counted to the byte', async () => {
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
    // All but what the dead link was given: 256 KiB and a piece at most, and what the system has taken of it.
    if (expected === null && status === 'Running') {
      expect(offset).toBeGreaterThanOrEqual(100_000);
      expect(offset).toBeLessThanOrEqual(5_000_000);
    } else if (expected !== null) expect(offset).toBe(expected);
    if (status === 'Running') expected = offset + output.length;
    if (status === 'Completed') break;
  }
  expect(expected).toBe(10_000_000);
});

test('a cancel ends the execution of its request id, and only where its task id is the same', async () => {
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
  // What a cancel ends by mistake is answered before that.
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

test('an agent that is asked to end gives its last answer, however slowly that is read and whatever SIGTERM comes', async () => {
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
  // The beginning of the answer has come, and by now the agent has nothing more to do.
  await host.tell({});
  host.child.kill('SIGTERM');
  await host.tell({});
  link.socket.resume();
  expect(await answer(link)).toBe(completed('x'.repeat(6_000_000)));
  link.socket.end();
  expect(await host.exited).toBe(0);
});
