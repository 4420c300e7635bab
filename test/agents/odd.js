// Handlers that do what handlers should not.
import { setTimeout as sleep } from 'node:timers/promises';
import { serve } from 'spearlet/agent';

await serve(
  {
    huge: request => 'x'.repeat(Number(request.args[0])),
    hugeWrite: (request, { write }) => write('é😀'.repeat(Number(request.args[0]))),
    hugeUnawaited: (request, { write }) => {
      void write('x'.repeat(Number(request.args[0])));
    },
    half: () => '\ud800',
    halfError: () => ({ error: '\ud800' }),
    number: () => 7,
    // biome-ignore lint/suspicious/noThenProperty: a thenable is what is tried
    thenable: () => ({ then: resolve => resolve('awaited') }),
    later: async (_request, { signal }) => {
      await sleep(60_000, undefined, { signal });
    },
  },
  {
    onSignal: data => {
      throw new Error(`onSignal: ${data}`);
    },
  },
);
