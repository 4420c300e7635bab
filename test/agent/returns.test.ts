// The values that a handler may return, and the failure for all others.
import { expect, test } from 'vitest';
import { agentFile, everyday, openSpearlet } from '../situations/world.ts';

async function outcomes(kind: 'fine' | 'wrong', way: string) {
  const instance = await openSpearlet().start({ ...everyday, args: [agentFile('returner.js')] });
  const ask = (command: string, args: string[]) => instance.execute({ command, args }, { timeout: 5_000, reject: false }).result;
  const names = JSON.parse((await ask('names', [kind])).output!) as string[];
  return Object.fromEntries(await Promise.all(names.map(async name => [name, await ask(way, [kind, name])] as const)));
}

test.each(['now', 'later'])('a string, an object of output, exitCode and error, or nothing is Completed (%s)', async way => {
  const found = Object.entries(await outcomes('fine', way)).map(([name, { status, output }]) => [name, status, output]);
  expect(found).toEqual([
    ['nothing', 'completed', null],
    ['null', 'completed', null],
    ['a text', 'completed', 'text'],
    ['an object with output', 'completed', 'text'],
    ['an object with nulls', 'completed', null],
    ['an object with undefined', 'completed', null],
    ['an empty object', 'completed', null],
    ['an object without a prototype', 'completed', 'text'],
    ['an object of a class', 'completed', 'of a class'],
  ]);
});

test.each(['now', 'later'])('any other value is Failed, with what was found and what may be returned (%s)', async way => {
  const found = await outcomes('wrong', way);
  expect(Object.values(found).filter(({ status, exitCode, output }) => status !== 'failed' || exitCode !== 1 || output !== null)).toEqual(
    [],
  );
  const words = Object.fromEntries(Object.entries(found).map(([name, { error }]) => [name, error]));
  const may = 'a handler returns a text, an object of output, exitCode and error, or nothing';
  expect(words).toMatchObject({
    'an unknown key': `${may}; found an object with the key 'result'`,
    'an unknown key beside a known one': `${may}; found an object with the key 'stderr'`,
    'an array': `${may}; found an array`,
    'a number': `${may}; found a number`,
    'a boolean': `${may}; found a boolean`,
    'a bigint': `${may}; found a bigint`,
    'a symbol': `${may}; found a symbol`,
    'a function': `${may}; found a function`,
    'a Buffer': `${may}; found an object of the class Buffer`,
    'a Map': `${may}; found an object of the class Map`,
    'an Error': `${may}; found an object of the class Error`,
    'output as bytes': `${may}; found an output that is an object of the class Uint8Array`,
    'output as a number': `${may}; found an output that is a number`,
    'exitCode as a text': `${may}; found an exitCode that is a string, not a 32-bit integer`,
    'exitCode as a fraction': `${may}; found an exitCode that is 1.5, not a 32-bit integer`,
    'error as an Error': `${may}; found an error that is an object of the class Error: precious`,
    'error as true': `${may}; found an error that is a boolean: true`,
    'a getter that throws': 'precious',
  });
  expect(words['many unknown keys']).toMatch(/'key0', 'key1', .* and 9\d\d more$/);
  expect(words['many unknown keys']!.length).toBeLessThan(500);
});
