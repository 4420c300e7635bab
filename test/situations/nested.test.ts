// A spearlet inside an agent of a spearlet: what the inner one has started belongs to the outer instance, too.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { environmentOfChild } from '../../src/agent/environment.ts';
import { processTable } from '../../src/process/tree/proc-table.ts';
import { atEnd } from '../census/census.ts';
import { agentFile, commandAgent, openSpearlet, until } from './world.ts';

const lives = (pid: number): boolean => processTable.entry(pid)?.living ?? false;
const nested = (depth: number) => ({
  artifactId: 'nested',
  command: process.execPath,
  args: [agentFile('nested-host.js'), String(depth)],
  environment: { SPEARLET_OUTER_INSTANCE_IDS: 'forged' },
});

test.each([0, 2])('an inner host that dies leaves nothing once the outer instance is over, %i levels down', async depth => {
  const spearlet = openSpearlet();
  const instance = await spearlet.start(nested(depth));
  const pids = JSON.parse((await instance.execute({ command: 'pids' }).result).output!) as number[];
  expect(pids.filter(lives)).toHaveLength(depth + 4);
  // Innermost first, so that no parent is left to tell.
  for (const pid of pids.slice(1, depth + 1).reverse()) process.kill(pid, 'SIGKILL');
  process.kill(pids[0]!, 'SIGKILL');
  expect(await instance.exited).toMatchObject({ reason: 'crashed', left: [] });
  expect(pids.filter(lives)).toEqual([]);
});

test('an inner host takes what it has started along when its own host is killed', async () => {
  const host = spawn(process.execPath, [agentFile('nesting-host.js')], { stdio: ['ignore', 'pipe', 'inherit'] });
  atEnd(() => void host.kill('SIGKILL'));
  const [line] = (await once(host.stdout!, 'data')) as [Buffer];
  const pids = JSON.parse(String(line)) as number[];
  expect(pids.filter(lives)).toHaveLength(4);
  host.kill('SIGKILL');
  await until(() => !pids.some(lives));
});

test('an inner host that a command agent runs leaves nothing once its execution is cancelled, even if it was killed before', async () => {
  const spearlet = openSpearlet();
  const instance = await spearlet.start(commandAgent);
  const script = `"${process.execPath}" "${agentFile('nesting-host.js')}" & echo "[$!]"; wait; exec sleep 1000`;
  const execution = instance.execute({ command: 'sh', args: ['-c', script] });
  execution.result.catch(() => {});
  let text = '';
  for await (const { output } of execution) {
    text += output ?? '';
    if (text.split(']').length > 2) break;
  }
  const [outer, inner, ...rest] = text.match(/\d+/g)!.map(Number) as [number, number, ...number[]];
  process.kill(outer, 'SIGKILL');
  process.kill(inner, 'SIGKILL');
  await until(() => ![outer, inner].some(lives));
  expect(rest.some(lives)).toBe(true);
  execution.cancel();
  await until(() => !rest.some(lives));
  expect(lives(instance.pid!)).toBe(true);
});

test('a program gets its own instance id, and the outer ids in another variable; neither spec nor request changes them', async () => {
  const spearlet = openSpearlet();
  const instance = await spearlet.start({ ...commandAgent, environment: { SPEARLET_OUTER_INSTANCE_IDS: 'forged' } });
  const script = 'echo "$SPEARLET_INSTANCE_ID [$SPEARLET_OUTER_INSTANCE_IDS]"';
  const request = { command: 'sh', args: ['-c', script], env: { SPEARLET_OUTER_INSTANCE_IDS: 'forged' } };
  expect((await instance.execute(request, { collect: true }).result).output).toBe(`${instance.id} []\n`);
  expect(environmentOfChild({ SPEARLET_OUTER_INSTANCE_IDS: 'a b' }, request.env)).toMatchObject({ SPEARLET_OUTER_INSTANCE_IDS: 'a b' });
});
