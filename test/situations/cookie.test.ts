// What the children of an agent are told: never the token, always the instance they belong to.
import { expect, test } from 'vitest';
import { environmentOfChild } from '../../src/agent/environment.ts';
import { commandAgent, everyday, openSpearlet } from './world.ts';

test('a program that the command agent runs keeps the instance id whatever its request says, and has no token', async () => {
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

test('an agent that serve() has made loses its token, and only that', async () => {
  const spearlet = openSpearlet();
  const instance = await spearlet.start(everyday);
  const execution = instance.execute({ command: 'environment', args: ['SPEARLET_INSTANCE_ID', 'SPEARLET_TOKEN'] });
  expect(JSON.parse((await execution.result).output!)).toEqual([instance.id, null]);
});

test('names that mean something to objects are names like any other', () => {
  const asked = JSON.parse('{"__proto__":"1","constructor":"2"}');
  const environment = environmentOfChild({ SPEARLET_INSTANCE_ID: 'i', SPEARLET_TOKEN: 't', PATH: '/' }, asked);
  expect(Object.entries(environment).sort()).toEqual([
    ['PATH', '/'],
    ['SPEARLET_INSTANCE_ID', 'i'],
    ['__proto__', '1'],
    ['constructor', '2'],
  ]);
});
