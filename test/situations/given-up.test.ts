// An instance that failed too often is given up, and everybody who listens learns of it.
import { expect, test } from 'vitest';
import { configFile, program, spearlet } from './command.ts';
import { agentFile, openSpearlet } from './world.ts';

test('an instance that is given up is reported on events$ and in the log, with RESTART_LIMIT', async () => {
  const host = openSpearlet({ restart: { intensity: 1, backoff: { min: 1, max: 1 } } });
  const instance = await host.start({
    artifactId: 'fleeting',
    command: process.execPath,
    args: [agentFile('fleeting.js'), 'crash'],
    restart: 'permanent',
  });
  const report = await instance.exited;
  await host.stop();
  const told = host.events.filter(({ type }) => type === 'instance.givenUp');
  expect(told).toEqual([
    {
      type: 'instance.givenUp',
      instanceId: instance.id,
      artifactId: 'fleeting',
      code: 'RESTART_LIMIT',
      message: expect.stringContaining('failed 2 times'),
      report,
    },
  ]);
  expect(host.events.findLastIndex(({ type }) => type === 'instance.exited')).toBeLessThan(host.events.indexOf(told[0]!));
  expect(host.log.map(line => JSON.parse(line)).filter(({ level }) => level === 'error')).toMatchObject([{ code: 'RESTART_LIMIT' }]);
});

test('a crash of a temporary instance and a stop are not reported as given up', async () => {
  const host = openSpearlet();
  const fleeting = await host.start({ artifactId: 'fleeting', command: process.execPath, args: [agentFile('fleeting.js'), 'crash'] });
  await fleeting.exited;
  await host.stop();
  expect(host.events.filter(({ type }) => type === 'instance.givenUp')).toEqual([]);
});

test('`run` says that it was given up, as text and as JSON', async () => {
  const file = configFile({ instances: [{ ...program('fleeting.js', 'crash'), name: 'worker', restart: 'permanent' }] });
  const [text, json] = await Promise.all([spearlet('run', file), spearlet('run', '--json', file)]);
  expect(text).toMatchObject({ code: 1, stdout: expect.stringMatching(/worker +given up: RESTART_LIMIT \(failed 4 times/) });
  expect(json.code).toBe(1);
  const events = json.stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Record<string, unknown>);
  expect(events.filter(({ type }) => type === 'instance.givenUp')).toMatchObject([{ code: 'RESTART_LIMIT', artifactId: 'worker' }]);
});
