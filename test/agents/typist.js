// An agent of typed calls, with the schemas of zod, and handlers that write, tell progress and throw.
import { handler, serve } from 'spearlet/agent';
import { z } from 'zod';

const token = process.env.SPEARLET_TOKEN;
let stepsSent = 0;

const untilAborted = signal =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });

await serve({
  add: handler(z.object({ a: z.number(), b: z.number() }), ({ a, b }) => a + b),
  slow: handler(z.object({ steps: z.int() }), async ({ steps }, { progress }) => {
    let sum = 0;
    for (let step = 1; step <= steps; step += 1) {
      sum += step;
      await progress({ done: step / steps, message: `é ${step}` });
    }
    return { sum };
  }),
  names: handler(z.array(z.string()), names => names.length),
  nothing: handler(z.undefined(), () => undefined),
  unsayable: handler(z.unknown(), () => () => {}),
  async both(_request, { write }) {
    await write('abc');
    await write('de');
    return 'last';
  },
  async written({ args }, { write }) {
    for (let left = Number(args[0]); left > 0; left -= 65_536) await write('x'.repeat(Math.min(left, 65_536)));
  },
  async tick(_request, { signal, write }) {
    await write('tick');
    return untilAborted(signal);
  },
  async mixed(_request, { write, progress }) {
    await write('a');
    await progress(null);
    await write('b');
    await progress([2]);
  },
  async badProgress(_request, { progress }) {
    await progress(undefined);
  },
  async manySteps(_request, { progress }) {
    for (stepsSent = 0; stepsSent < 3_000; stepsSent += 1) await progress({ padding: 'x'.repeat(1_000) });
  },
  stepsSent: () => String(stepsSent),
  broken() {
    throw new RangeError('no such row');
  },
  raves({ args }) {
    throw new RangeError(`no such row: ${args[0].repeat(Number(args[1]))}`);
  },
  leaks() {
    throw new Error(`it is ${token}`);
  },
  cancels: (_request, { signal }) => untilAborted(signal),
  later: ({ args }) => new Promise(resolve => setTimeout(resolve, Number(args[0]), 'later')),
  pid: () => String(process.pid),
});
