// An agent for pools: says its pid, counts, fails, and holds an execution until it is cancelled.
import { serve } from 'spearlet/agent';

/** Resolves the executions that are deaf to their cancel. */
const deaf = [];

await serve(
  {
    pid: () => String(process.pid),
    async count({ args: [last] }, { write }) {
      for (let n = 1; n <= Number(last); n += 1) await write(String(n));
      return 'counted';
    },
    fail: () => ({ error: 'as it should', exitCode: 3 }),
    deaf: () => new Promise(resolve => deaf.push(resolve)),
    hold: (_, { signal }) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  },
  { onSignal: () => deaf.shift()?.() },
);
