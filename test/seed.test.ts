// The seed's own tests, ported, and asserting what they could not: that something comes out.
import { expect, test } from 'vitest';
import { instanceSpecFromConfig } from '../src/index.ts';
import { decodeMessage, encodeFrame, HEADER_BYTES } from '../src/protocol/v1/messages.ts';
import { commandAgent, openSpearlet } from './situations/world.ts';

test('a listener for an instance has a port above 0, and authentication info', async () => {
  const spearlet = openSpearlet();
  const { environment, stop } = spearlet.expect({ artifactId: 'test-artifact' });
  expect(Number(environment.SPEARLET_ADDR.split(':')[1])).toBeGreaterThan(0);
  expect(environment.SPEARLET_TOKEN.length).toBeGreaterThanOrEqual(43);
  expect(environment.SPEARLET_INSTANCE_ID).toMatch(/^test-artifact-/);
  await stop();
});

test('a message survives serialization with its id', () => {
  const frame = encodeFrame('Heartbeat', 123, { secs: 1_700_000_000, nanos: 5 }, Buffer.from([1, 2, 3]));
  expect(decodeMessage(frame.subarray(HEADER_BYTES))).toEqual({
    type: 'Heartbeat',
    requestId: 123,
    timestamp: { secs: 1_700_000_000, nanos: 5 },
    payload: Buffer.from([1, 2, 3]),
  });
});

test('create, start, execute `echo test`, a response with a status and the output, stop', async () => {
  const spearlet = openSpearlet();
  const spec = instanceSpecFromConfig({
    runtime_type: 'process',
    config: { command: commandAgent.command, args: commandAgent.args, timeout: 300, max_memory: '1GB' },
  });
  const instance = await spearlet.start({ ...spec, artifactId: 'test-artifact' });
  const execution = instance.execute({ command: 'echo', args: ['test'] }, { collect: true });
  expect(await execution.result).toMatchObject({ status: 'completed', output: 'test\n', exitCode: 0 });
  expect(await instance.stop()).toMatchObject({ reason: 'stopped', code: 0 });
});
