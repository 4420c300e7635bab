// Returns whatever it is asked to. `names` tells what it knows.
import { serve } from 'spearlet/agent';

class Result {
  output = 'of a class';
}

const things = {
  fine: {
    nothing: undefined,
    null: null,
    'a text': 'text',
    'an object with output': { output: 'text' },
    'an object with nulls': { output: null, error: null, exitCode: null },
    'an object with undefined': { output: undefined, error: undefined },
    'an empty object': {},
    'an object without a prototype': Object.assign(Object.create(null), { output: 'text' }),
    'an object of a class': new Result(),
  },
  wrong: {
    'an unknown key': { result: 'precious' },
    'an unknown key beside a known one': { output: 'text', stderr: 'precious' },
    'an array': [1],
    'an empty array': [],
    'a number': 7,
    'a boolean': false,
    'a bigint': 7n,
    'a symbol': Symbol('s'),
    'a function': () => 'text',
    'a Buffer': Buffer.from('precious'),
    'a Map': new Map([['output', 'precious']]),
    'a Date': new Date(0),
    'an Error': new Error('precious'),
    'output as bytes': { output: new Uint8Array(3) },
    'output as a number': { output: 7 },
    'exitCode as a text': { exitCode: '7' },
    'exitCode as a fraction': { exitCode: 1.5 },
    'error as an Error': { error: new Error('precious') },
    'error as true': { error: true },
    'a getter that throws': {
      get output() {
        throw new Error('precious');
      },
    },
    'many unknown keys': Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => [`key${n}`, n])),
  },
};

await serve({
  names: request => JSON.stringify(Object.keys(things[request.args[0]])),
  now: request => things[request.args[0]][request.args[1]],
  later: async request => things[request.args[0]][request.args[1]],
});
