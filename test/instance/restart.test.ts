// A restart on request, as its caller sees it: what it waits for, and why it is refused.
import { BehaviorSubject } from 'rxjs';
import { expect, test } from 'vitest';
import type { InstanceRecord } from '../../src/instance/record.ts';
import { restart } from '../../src/instance/restart.ts';

function openRecord(fields: object = {}) {
  const state$ = new BehaviorSubject('ready');
  const asked: number[] = [];
  const record = {
    ...{ id: 'i', artifactId: 'a', spec: {}, state: 'ready', state$, incarnation: 1, report: null, failure: null },
    restart: (grace: number) => void asked.push(grace),
    ...fields,
  };
  const show = (state: string): void => {
    record.state = state;
    state$.next(state);
  };
  return { record, state$, asked, show, restart: () => restart(record as never as InstanceRecord, 7) };
}

test.each(['ready', 'executing'])('resolves when the next incarnation is %s, and watches the instance no more', async state => {
  const { record, state$, asked, show, restart } = openRecord();
  let resolved = false;
  const restarting = restart().then(() => (resolved = true));
  // The present incarnation is ready: it is not the one.
  await Promise.resolve();
  for (const each of ['stopping', 'backoff', 'ready']) show(each);
  await new Promise(setImmediate);
  expect([asked, resolved, state$.observed]).toEqual([[7], false, true]);
  record.incarnation = 2;
  show(state);
  await restarting;
  await Promise.resolve();
  expect(state$.observed).toBe(false);
});

test('waits for the program that has not begun yet', async () => {
  const { show, restart } = openRecord({ state: 'allocating' });
  const restarting = restart();
  show('listening');
  show('ready');
  await restarting;
});

test('rejects with why the instance has ended instead', async () => {
  const { state$, restart } = openRecord({ failure: new Error('no such program') });
  const restarting = restart();
  state$.complete();
  await expect(restarting).rejects.toMatchObject({
    code: 'INSTANCE_STOPPED',
    message: 'the instance is not restarted: no such program',
  });
});
