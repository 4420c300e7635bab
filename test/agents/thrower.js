// Throws whatever it is asked to, at once or later. `names` tells what it knows.
import { runInNewContext } from 'node:vm';
import { serve } from 'spearlet/agent';

const raise = () => {
  throw new Error('a trap');
};
const { proxy: revoked, revoke } = Proxy.revocable({}, {});
revoke();

const things = {
  'an Error whose message is an object': Object.assign(new Error('x'), { message: {} }),
  'an Error whose message is a symbol': Object.assign(new Error('x'), { message: Symbol('m') }),
  'an Error whose message has no text': Object.assign(new Error('x'), { message: Object.create(null) }),
  'an Error whose message is a getter that throws': Object.defineProperty(new Error('x'), 'message', { get: raise }),
  'an Error without a message': new Error(''),
  'an Error of another realm': runInNewContext("new Error('from elsewhere')"),
  'an object without a prototype': Object.create(null),
  'an object whose toString throws': { toString: raise, [Symbol.toPrimitive]: raise },
  'an object whose toStringTag throws': Object.defineProperty({}, Symbol.toStringTag, { get: raise }),
  'an object that inspects itself and throws': { [Symbol.for('nodejs.util.inspect.custom')]: raise },
  'a proxy whose traps all throw': new Proxy({}, new Proxy({}, { get: raise })),
  'a revoked proxy': revoked,
  'a plain object': { code: 'E_OWN' },
  undefined,
  null: null,
  'an empty text': '',
  'half a code point': '\ud800',
  'a long text': `${'x'.repeat(10 * 2 ** 20)}`,
  'a symbol': Symbol('s'),
  'a bigint': 7n,
  'a function': raise,
};

await serve({
  names: () => JSON.stringify(Object.keys(things)),
  echo: request => request.args.join(' '),
  now: ({ args }) => {
    throw things[args[0]];
  },
  later: async ({ args }) => {
    await null;
    throw things[args[0]];
  },
  // biome-ignore-start lint/suspicious/noThenProperty: thenables are what is tried
  thenable: ({ args }) => ({
    then: (_, reject) => {
      reject(things[args[0]]);
      throw things[args[0]];
    },
  }),
  thenGetter: ({ args }) =>
    Object.defineProperty({}, 'then', {
      get() {
        throw things[args[0]];
      },
    }),
  bothWays: () => ({
    then: (resolve, reject) => {
      resolve('first');
      reject(new Error('second'));
      throw new Error('third');
    },
  }),
  // biome-ignore-end lint/suspicious/noThenProperty: as above
  get getter() {
    throw new Error('no handler here');
  },
  nothing: 7,
  unawaited: (_request, { write }) => {
    void write(Uint8Array.of(0xff));
    return 'done';
  },
  // Each of them is no output.
  meaningless: async ({ args }, { write }) => {
    await write({ undefined: undefined, null: null, number: 7, object: {} }[args[0]]);
    return 'done';
  },
  afterwards: (_request, { write }) => {
    setImmediate(() => void write('too late'));
    return 'done';
  },
  caught: async (_request, { write }) => {
    await write(Uint8Array.of(0xff)).catch(() => write('/w=='));
    return 'done';
  },
});
