// The environment of an agent's children: it never holds the token and always holds the instance id.
import { expect, test } from 'vitest';
import { environmentOfChild } from '../../src/agent/environment.ts';
import { commandAgent, everyday, openSpearlet } from './world.ts';

test('a program of the command agent keeps the instance id, whatever its request sets, and has no token', async () => {
  const spearlet = openSpearlet();
  const instance = await spearlet.start(commandAgent);
  const execution = instance.execute(
    {
      command: 'sh',
      args: ['-c', 'tr "\\0" "\\n" < /proc/self/environ'],
      env: { SPEARLET_INSTANCE_ID: 'another', SPEARLET_TOKEN: 'mine', OWN: '1' },
    },
    { collect: true },
  );
  const lines = (await execution.result).output!.split('\n');
  expect(lines).toContain(`SPEARLET_INSTANCE_ID=${instance.id}`);
  expect(lines).toContain('OWN=1');
  expect(lines.filter(line => /another|^SPEARLET_TOKEN/.test(line))).toEqual([]);
  const removed = instance.execute(
    { command: 'sh', args: ['-c', 'echo $SPEARLET_INSTANCE_ID'], env: { SPEARLET_INSTANCE_ID: '' } },
    { collect: true },
  );
  expect((await removed.result).output).toBe(`${instance.id}\n`);
});

test('serve() removes the token from process.env, and nothing else', async () => {
  const spearlet = openSpearlet();
  const instance = await spearlet.start(everyday);
  const execution = instance.execute({ command: 'environment', args: ['SPEARLET_INSTANCE_ID', 'SPEARLET_TOKEN'] });
  expect(JSON.parse((await execution.result).output!)).toEqual([instance.id, null]);
});

test('names such as __proto__ are names like any other', () => {
  const asked = JSON.parse('{"__proto__":"1","constructor":"2"}');
  const environment = environmentOfChild({ SPEARLET_INSTANCE_ID: 'i', SPEARLET_TOKEN: 't', PATH: '/' }, asked);
  expect(Object.entries(environment).sort()).toEqual([
    ['PATH', '/'],
    ['SPEARLET_INSTANCE_ID', 'i'],
    ['__proto__', '1'],
    ['constructor', '2'],
  ]);
});
