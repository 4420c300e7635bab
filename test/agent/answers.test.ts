// The answers of an agent: their order, the results that are sent again, and the credit of an execution. The channel is the
// test's.
import { expect, test } from 'vitest';
import { createAnswers } from '../../src/agent/answers.ts';
import { bounds } from '../../src/limits.ts';

/** `size`: of every frame that is sent, in bytes. */
function open({ carriesBytes = false, size = 100 } = {}) {
  const sent: string[] = [];
  let isIdle = 0;
  const codec = {
    carriesBytes,
    executeResponse: (requestId: number, { status, outputOffset }: { status: string; outputOffset?: number }) => ({
      text: `${requestId} ${status}${outputOffset === undefined ? '' : ` from ${outputOffset}`}`,
      length: size,
    }),
  };
  const queue = { pending: 0, add: ({ text }: { text: string }) => void sent.push(text) };
  const channel = { codec, queue };
  const answers = createAnswers(2 ** 30, () => (isIdle += 1));
  const result = (delivery: ReturnType<typeof answers.delivery>): void =>
    answers.result(delivery, { status: 'Completed', output: null, error: null, exitCode: 0 });
  /** Loses the connection and returns what is sent on the next one. */
  const reconnect = (running: ReturnType<typeof answers.delivery>[] = []): string[] => {
    answers.detach();
    sent.length = 0;
    answers.attach(channel as never, running);
    return [...sent];
  };
  answers.attach(channel as never, []);
  return { answers, channel, sent, result, reconnect, idles: () => isIdle };
}

test('results are sent at once, and again after a reconnect: the last 64', () => {
  const { answers, sent, result, reconnect } = open();
  for (let id = 1; id <= bounds.agentReplayedResults + 2; id += 1) result(answers.delivery(id, 't'));
  expect([sent.length, sent[0]]).toEqual([bounds.agentReplayedResults + 2, '1 Completed']);
  const again = reconnect();
  expect([again.length, again[0], again.at(-1)]).toEqual([64, '3 Completed from 0', '66 Completed from 0']);
});

test('of large results fewer are sent again, but always the last', () => {
  const { answers, result, reconnect } = open({ size: bounds.agentReplayedSize / 2 });
  for (const id of [1, 2, 3]) result(answers.delivery(id, 't'));
  expect(reconnect()).toEqual(['2 Completed from 0', '3 Completed from 0']);
  result(answers.delivery(4, 't'));
  expect(reconnect()).toEqual(['3 Completed from 0', '4 Completed from 0']);

  const large = open({ size: bounds.agentReplayedSize + 1 });
  for (const id of [1, 2]) large.result(large.answers.delivery(id, 't'));
  expect(large.reconnect()).toEqual(['2 Completed from 0']);
});

test('on wire v1 Started is sent again for what runs, and on wire v2 the channel does it', () => {
  const v1 = open();
  const running = v1.answers.delivery(1, 't');
  v1.answers.started(running);
  expect(v1.sent).toEqual(['1 Started']);
  expect(v1.reconnect([running])).toEqual(['1 Started from 0']);
  const v2 = open({ carriesBytes: true });
  const kept = v2.answers.delivery(1, 't');
  v2.answers.started(kept);
  expect(v2.reconnect([kept])).toEqual([]);
});

test('on wire v2 the channel sends again, not the agent', () => {
  const { answers, result, reconnect } = open({ carriesBytes: true });
  result(answers.delivery(1, 't'));
  expect(reconnect()).toEqual([]);
});

test('without a connection, or with too many unsent bytes, answers wait', () => {
  const { answers, channel, sent, result, reconnect, idles } = open();
  const delivery = answers.delivery(1, 't');
  channel.queue.pending = bounds.agentUnsent + 1;
  result(delivery);
  expect([sent, answers.queued, idles()]).toEqual([[], 1, 0]);
  channel.queue.pending = bounds.agentUnsent;
  answers.resumeWriters();
  expect([sent, answers.queued, idles()]).toEqual([['1 Completed'], 0, 1]);
  answers.detach();
  result(answers.delivery(2, 't'));
  expect(answers.queued).toBe(1);
  expect(reconnect()).toEqual(['1 Completed from 0', '2 Completed from 0']);
});

test('output beyond the credit of its execution waits, and its result behind it; other executions go on', async () => {
  const { answers, sent, result } = open({ carriesBytes: true });
  const [slow, quick] = [answers.delivery(1, 'a'), answers.delivery(2, 'b')];
  const piece = 'x'.repeat(bounds.window / 2);
  await answers.output(slow, piece);
  await answers.output(slow, piece);
  const third = answers.output(slow, piece);
  result(slow);
  result(quick);
  expect([sent, answers.queued]).toEqual([['1 Started', '1 Running', '1 Running', '2 Completed'], 2]);
  answers.window(1, 1);
  await third;
  expect([sent.slice(4), answers.queued]).toEqual([['1 Running', '1 Completed'], 0]);
  // The execution is over.
  answers.window(1, 1);
});

test('what has waited for credit is sent before what came later and waits for room', () => {
  const { answers, channel, sent, result } = open({ carriesBytes: true });
  const delivery = answers.delivery(1, 't');
  void answers.output(delivery, 'x'.repeat(bounds.window));
  void answers.output(delivery, 'x');
  channel.queue.pending = bounds.agentUnsent + 1;
  result(delivery);
  answers.window(1, bounds.window);
  channel.queue.pending = 0;
  answers.resumeWriters();
  expect(sent).toEqual(['1 Started', '1 Running', '1 Running', '1 Completed']);
});

test('close() resolves the writes that wait, and sends nothing', async () => {
  const { answers, sent } = open({ carriesBytes: true });
  const delivery = answers.delivery(1, 't');
  await answers.output(delivery, 'x'.repeat(bounds.window));
  const stalled = answers.output(delivery, 'x');
  answers.detach();
  const queued = answers.output(answers.delivery(2, 't'), 'x');
  answers.close();
  await Promise.all([stalled, queued]);
  expect([sent, answers.queued]).toEqual([['1 Started', '1 Running'], 0]);
});
