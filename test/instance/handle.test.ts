// What a caller holds of an instance: its states, its output, and that both come to an end with it.
import { expect, test } from 'vitest';
import { type InstanceState, stateOf } from '../../src/instance/instance.ts';
import { everyday, openSpearlet } from '../situations/world.ts';

test('a nested state of the chart has one of the names of the contract', () => {
  const named: [unknown, InstanceState][] = [
    [{ running: { allocating: 'queued' } }, 'allocating'],
    [{ running: { connecting: 'listening' } }, 'listening'],
    [{ running: { connecting: 'authenticating' } }, 'authenticating'],
    [{ running: { connected: 'ready' } }, 'ready'],
    [{ running: { connected: 'executing' } }, 'executing'],
    [{ running: 'reconnecting' }, 'reconnecting'],
    [{ running: { stopping: { patient: 'asked' } } }, 'stopping'],
    [{ running: { exiting: 'draining' } }, 'stopping'],
    [{ running: 'ended' }, 'stopping'],
    ['failed', 'backoff'],
    ['backoff', 'backoff'],
    ['stopped', 'stopped'],
    [undefined, 'allocating'],
  ];
  for (const [value, state] of named) expect([value, stateOf(value)]).toEqual([value, state]);
});

test('its states and its output end with it, for those who follow and for those who come later', async () => {
  const spearlet = openSpearlet();
  const instance = await spearlet.start(everyday);
  expect(instance.incarnation).toBe(1);
  const told: string[] = [];
  const over = Promise.all([
    new Promise<void>(resolve => void instance.state$.subscribe({ next: state => void told.push(state), complete: resolve })),
    new Promise<void>(resolve => void instance.output$.subscribe({ complete: resolve })),
  ]);
  await instance.stop();
  await over;
  expect(told).toEqual(['ready', 'stopping', 'stopped']);
  const late: string[] = [];
  instance.state$.subscribe({ next: state => void late.push(state), complete: () => void late.push('complete') });
  instance.output$.subscribe({ complete: () => void late.push('complete') });
  expect(late).toEqual(['stopped', 'complete', 'complete']);
  expect([instance.state, spearlet.get(instance.id), spearlet.instances]).toEqual(['stopped', undefined, []]);
});
