// Which listener raises a signal again, in a process of several copies of spearlet and of signal-exit; on a process that only records.
import { EventEmitter } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { createOnHostEnd, type HostEnd } from '../../src/world/host-end.ts';

const V4 = Symbol.for('signal-exit emitter');
const emitters = globalThis as { [V4]?: { count: number } };
const original = emitters[V4];
afterEach(() => {
  if (original === undefined) delete emitters[V4];
  else emitters[V4] = original;
});

function openHost() {
  const raised: string[] = [];
  const host = Object.assign(new EventEmitter(), { pid: 1, kill: (_: number, signal: string) => raised.push(signal) > 0 });
  return { host, raised, copy: () => createOnHostEnd(host as never) };
}
function hostEnd(): HostEnd & { calls: string[]; resolve(): void } {
  const calls: string[] = [];
  let resolve = (): void => {};
  return {
    calls,
    exits: () => void calls.push('exits'),
    signalled(again) {
      calls.push(again ? 'again' : 'signalled');
      return new Promise<void>(done => {
        resolve = done;
      });
    },
    resolve: () => resolve(),
  };
}
const turn = () => new Promise(resolve => setImmediate(resolve));

test('a signal is raised again when all that is registered has ended', async () => {
  const { host, raised, copy } = openHost();
  const onHostEnd = copy();
  const [one, two] = [hostEnd(), hostEnd()];
  for (const end of [one, two]) onHostEnd(end);
  host.emit('SIGTERM', 'SIGTERM');
  one.resolve();
  await turn();
  expect(raised).toEqual([]);
  two.resolve();
  await turn();
  expect([raised, host.listenerCount('SIGTERM'), host.listenerCount('exit')]).toEqual([['SIGTERM'], 0, 0]);
});

test('of two copies of spearlet both end their programs, and the last one raises the signal', async () => {
  const { host, raised, copy } = openHost();
  const [one, two] = [hostEnd(), hostEnd()];
  copy()(one);
  copy()(two);
  host.emit('SIGINT', 'SIGINT');
  one.resolve();
  await turn();
  expect([one.calls, two.calls, raised]).toEqual([['signalled'], ['signalled'], []]);
  two.resolve();
  await turn();
  expect(raised).toEqual(['SIGINT']);
});

test('a listener of signal-exit does not count as one that handles the signal', async () => {
  const { host, raised, copy } = openHost();
  const end = hostEnd();
  copy()(end);
  host.on('SIGHUP', () => {});
  host.emit('SIGHUP', 'SIGHUP');
  expect(end.calls).toEqual([]);
  emitters[V4] = { count: 1 };
  host.emit('SIGHUP', 'SIGHUP');
  end.resolve();
  await turn();
  expect([end.calls, raised]).toEqual([['signalled'], ['SIGHUP']]);
});

test('a second signal says so, and the exit of the process is told', async () => {
  const { host, copy } = openHost();
  const end = hostEnd();
  const remove = copy()(end);
  host.emit('SIGTERM', 'SIGTERM');
  host.emit('SIGTERM', 'SIGTERM');
  host.emit('exit');
  remove();
  remove();
  expect([end.calls, host.listenerCount('exit')]).toEqual([['signalled', 'again', 'exits'], 0]);
});
