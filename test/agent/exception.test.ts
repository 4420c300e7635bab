// What a caller learns of an exception: all that fits into one update, and never nothing.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { exceptionOf } from '../../src/agent/exception.ts';
import { ArgumentError } from '../../src/agent/typed.ts';

const plain = (text: string): string => text;
const thrown = (message: string, stack: string | undefined): Error => Object.assign(new Error(message), { stack });

test('what fits is told as it is', () => {
  expect(exceptionOf(thrown('no', 'Error: no\n    at here'), plain, 1_024)).toEqual({
    ...{ name: 'Error', message: 'no', stack: 'Error: no\n    at here' },
  });
  expect(exceptionOf(thrown('no', undefined), plain, 1_024)).toEqual({ name: 'Error', message: 'no' });
  const issues = [{ path: 'a', message: 'must be b' }];
  expect(exceptionOf(new ArgumentError('sum', issues), plain, 1_024)).toMatchObject({ name: 'ArgumentError', issues });
});

test('what is no error, cannot be read, or has no room is not told', () => {
  expect([exceptionOf('a text', plain, 1_024), exceptionOf(thrown('no', ''), plain, 127)]).toEqual([null, null]);
  const unreadable = Object.defineProperty(new Error('no'), 'message', { get: () => Symbol.iterator.valueOf().toString().repeat(-1) });
  expect(exceptionOf(unreadable, plain, 1_024)).toBeNull();
});

test('the issues that fit are told, and how many are missing; secrets are hidden in all of them', () => {
  const hide = (text: string): string => text.replaceAll('secret', '[hidden]');
  const told = exceptionOf(new ArgumentError('sum', new Array(1_000).fill({ path: 'secret', message: 'a secret' })), hide, 1_024)!;
  expect(told.issues!.slice(0, 2)).toEqual(new Array(2).fill({ path: '[hidden]', message: 'a [hidden]' }));
  expect(told.issues!.at(-1)).toEqual({ path: '', message: `… and ${1_001 - told.issues!.length} more` });
  expect(JSON.stringify(told)).not.toContain('secret');
});

test('an exception of any length takes no more than one update, as JSON', () => {
  const text = fc.oneof(
    fc.string(),
    fc.constantFrom('x', '\u0000', '😀', '"').map(each => each.repeat(5_000)),
  );
  fc.assert(
    fc.property(text, text, fc.array(fc.record({ path: text, message: text })), fc.integer({ min: 320, max: 4_096 }), (...given) => {
      const [message, stack, issues, room] = given;
      for (const error of [thrown(message, stack), new ArgumentError('sum', issues)]) {
        const told = exceptionOf(error, plain, room)!;
        expect(JSON.stringify({ signal: 'exception', value: told }).length).toBeLessThanOrEqual(room);
        expect([told.message, told.stack ?? ''].every(each => each.isWellFormed())).toBe(message.isWellFormed() && stack.isWellFormed());
        expect(told.issues?.length === 0).toBe(error instanceof ArgumentError && issues.length === 0);
      }
    }),
  );
});
