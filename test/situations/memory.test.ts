// A program that takes more memory than it may, it alone or all of its tree, ends; its neighbours do not notice.
import { expect, test } from 'vitest';
import { agentFile, everyday, failureOf, openSpearlet, seen } from './world.ts';

const hoarder = { artifactId: 'hoarder', command: process.execPath, args: [agentFile('hoarder.js')], maxMemory: '300MB' };

test('an agent that exceeds its maxMemory is killed, and its executions have MEMORY_EXCEEDED as cause', async () => {
  const spearlet = openSpearlet();
  const [agent, neighbour] = await Promise.all([spearlet.start(hoarder), spearlet.start({ ...everyday, maxMemory: '300MB' })]);
  expect(agent!.containment.memory).toBe('sampled');
  const failure = await failureOf(agent!.execute({ command: 'hoard' }).result);
  expect(failure).toMatchObject({ code: 'OUTCOME_UNKNOWN', cause: { code: 'MEMORY_EXCEEDED' } });
  const report = await agent!.exited;
  expect(report).toMatchObject({ reason: 'memory', signal: 'SIGKILL', stopStage: 'killed', left: [] });
  expect(Object.keys(report.stopStages)).toEqual(['killed']);
  expect(report.peakMemory).toBeGreaterThan(300e6);
  expect(report.message).toBe(`its processes used ${report.peakMemory} bytes, more than maxMemory (300000000)`);
  const refused = await failureOf(agent!.execute({ command: 'echo' }).result);
  expect(refused).toMatchObject({ code: 'INSTANCE_STOPPED', cause: { code: 'MEMORY_EXCEEDED' } });
  expect((await neighbour!.execute({ command: 'echo', args: ['here'] }).result).output).toBe('here');
});

test('the memory of its children counts, and a start that exceeds maxMemory rejects with it', async () => {
  const spearlet = openSpearlet();
  const args = [agentFile('hungry.js'), '500', '1000', 'child'];
  const failure = await failureOf(spearlet.start({ artifactId: 'hungry', command: process.execPath, args, maxMemory: '250MB' }));
  expect(failure).toMatchObject({ code: 'MEMORY_EXCEEDED', signal: 'SIGKILL' });
});

test('an end by maxMemory counts as a failure: the restart policy applies', async () => {
  const spearlet = openSpearlet({ restart: { intensity: 1, backoff: { min: 1, max: 1 } } });
  const agent = await spearlet.start({ ...hoarder, restart: 'transient' });
  const again = seen(spearlet.events$, event => event.type === 'instance.state' && event.incarnation === 2 && event.state === 'ready');
  agent.execute({ command: 'hoard' });
  await again;
  expect((await agent.execute({ command: 'echo', args: ['anew'] }).result).output).toBe('anew');
  agent.execute({ command: 'hoard' });
  expect(await agent.exited).toMatchObject({ reason: 'restart', stopStage: 'killed', left: [] });
  const exits = spearlet.events.flatMap(event => (event.type === 'instance.exited' ? [event.report.reason] : []));
  expect(exits).toEqual(['memory', 'memory']);
});
