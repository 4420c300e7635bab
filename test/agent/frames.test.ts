// The host sets the largest frame, in both directions and for every agent.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { serve } from '../../src/agent/index.ts';
import { atEnd } from '../census/census.ts';
import { agentFile, everyday, failureOf, openSpearlet } from '../situations/world.ts';

const MiB = 2 ** 20;
const bound = { maxFrameBytes: 64 * MiB, maxQueuedBytes: 64 * MiB };

test('an agent reads and sends frames above 32 MiB if the host allows them', async () => {
  const spearlet = openSpearlet(bound);
  const instance = await spearlet.start(everyday);
  const { output } = await instance.execute({ command: 'echo', args: ['x'.repeat(9 * MiB)] }).result;
  expect(output?.length).toBe(9 * MiB);
  expect(spearlet.stats().instances[0]!.reconnects).toBe(0);
});

test('expect() tells an agent the largest frame, as start() does', async () => {
  const spearlet = openSpearlet(bound);
  const expected = spearlet.expect({ artifactId: 'expected' });
  expect(expected.environment.SPEARLET_MAX_FRAME_BYTES).toBe(String(64 * MiB));
  const child = fork(agentFile('everyday.js'), { env: { ...process.env, ...expected.environment } });
  const exited = once(child, 'exit');
  atEnd(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const instance = await expected.ready;
  const { output } = await instance.execute({ command: 'echo', args: ['x'.repeat(9 * MiB)] }).result;
  expect(output?.length).toBe(9 * MiB);
  await expected.stop();
});

test('output arrives in pieces that fit into the largest frame, even with a long task id', async () => {
  const spearlet = openSpearlet({ maxFrameBytes: 64 * 1024 });
  const instance = await spearlet.start(everyday);
  const flood = await instance.execute({ command: 'flood', args: ['3', '100000'], taskId: 'é'.repeat(1_024) }, { collect: true }).result;
  expect(flood.output?.length).toBe(300_000);
  expect(spearlet.stats().instances[0]!.reconnects).toBe(0);
});

test.each(['x', '-1', '0', '1.5', 'Infinity'])('serve() refuses a largest frame of %s', async text => {
  const environment = {
    SPEARLET_ADDR: '127.0.0.1:1',
    SPEARLET_TOKEN: 't',
    SPEARLET_INSTANCE_ID: 'i',
    SPEARLET_MAX_FRAME_BYTES: text,
  };
  expect(await failureOf(serve(() => '', { environment }))).toMatchObject({
    code: 'INVALID_OPTIONS',
    message: expect.stringContaining('SPEARLET_MAX_FRAME_BYTES'),
  });
});
