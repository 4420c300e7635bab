// How the command line prints errors and handles Ctrl-C.
import { expect, test } from 'vitest';
import { onInterrupt } from '../../src/cli/interrupt.ts';
import { errorJson } from '../../src/cli/print.ts';
import { SpearletError } from '../../src/errors.ts';

test('an error as JSON has its code, and INTERNAL where it has none', () => {
  const error = new SpearletError('EXECUTION_FAILED', 'bad', { hint: 'do this', exitCode: 3, output: 'out', error: 'why', taskId: 't' });
  expect(JSON.parse(JSON.stringify(errorJson(error)))).toEqual({
    code: 'EXECUTION_FAILED',
    message: 'bad',
    hint: 'do this',
    taskId: 't',
    exitCode: 3,
    output: 'out',
    error: 'why',
  });
  expect(errorJson(new Error('oh'))).toEqual({ code: 'INTERNAL', message: 'oh' });
  expect(errorJson('oh')).toEqual({ code: 'INTERNAL', message: 'oh' });
});

test('the first interrupt differs from all later ones, and none is handled after the listeners are removed', () => {
  const seen: boolean[] = [];
  const off = onInterrupt(again => void seen.push(again));
  process.emit('SIGINT');
  process.emit('SIGTERM');
  process.emit('SIGINT');
  off();
  expect(seen).toEqual([false, true, true]);
  expect([process.listenerCount('SIGINT'), process.listenerCount('SIGTERM')]).toEqual([0, 0]);
});
