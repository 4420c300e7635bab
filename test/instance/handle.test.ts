// The handle of an instance: its public states, its output, and the end of both.
import { expect, test } from 'vitest';
import { type InstanceState, stateOf } from '../../src/instance/instance.ts';
import { everyday, openSpearlet } from '../situations/world.ts';

test('every state of the chart maps to a public state', () => {
  const named: [unknown, InstanceState][] = [
    [{ running: { allocating: 'queued' } }, 'allocating'],
    [{ running: { connecting: 'listening' } }, 'listening'],
    [{ running: { connecting: 'authenticating' } }, 'authenticating'],
    [{ running: { connected: 'ready' } }, 'ready'],
    [{ running: { connected: 'executing' } }, 'executing'],
    [{ running: 'reconnecting' }, 'reconnecting'],
    [{ running: { stopping: { graceful: 'asked' } } }, 'stopping'],
    [{ running: { exiting: 'readingOutput' } }, 'stopping'],
    [{ running: 'ended' }, 'stopping'],
    ['failed', 'backoff'],
    ['backoff', 'backoff'],
    ['stopped', 'stopped'],
    [undefined, 'allocating'],
  ];
  for (const [value, state] of named) expect([value, stateOf(value)]).toEqual([value, state]);
});

test('states and output complete when the instance stops, for present and for late subscribers', async () => {
  const spearlet = openSpearlet();
  const instance = await spearlet.start(everyday);
  expect(instance.incarnation).toBe(1);
  const states: string[] = [];
  const over = Promise.all([
    new Promise<void>(resolve => void instance.state$.subscribe({ next: state => void states.push(state), complete: resolve })),
    new Promise<void>(resolve => void instance.output$.subscribe({ complete: resolve })),
  ]);
  await instance.stop();
  await over;
  expect(states).toEqual(['ready', 'stopping', 'stopped']);
  const late: string[] = [];
  instance.state$.subscribe({ next: state => void late.push(state), complete: () => void late.push('complete') });
  instance.output$.subscribe({ complete: () => void late.push('complete') });
  expect(late).toEqual(['stopped', 'complete', 'complete']);
  expect([instance.state, spearlet.get(instance.id), spearlet.instances]).toEqual(['stopped', undefined, []]);
});

test('its functions can be taken out of it, and its streams are the same each time', async () => {
  const spearlet = openSpearlet();
  const instance = await spearlet.start(everyday);
  const { execute, send, stop, state$, output$ } = instance;
  expect([state$ === instance.state$, output$ === instance.output$]).toEqual([true, true]);
  expect((await execute({ command: 'echo', args: ['alone'] }).result).output).toBe('alone');
  send('a signal');
  expect(await stop()).toMatchObject({ reason: 'stopped' });
});
