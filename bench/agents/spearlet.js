// The agent of the benchmarks that speaks spearlet.
import { serve } from '../../dist/src/agent/index.js';

let stopProfile;

await serve({
  echo: request => request.args.join(' '),
  async stream({ args: [count, size] }, { write }) {
    const text = 'x'.repeat(Number(size));
    for (let n = 0; n < Number(count); n += 1) await write(text);
    return count;
  },
  cpu: () => JSON.stringify(process.cpuUsage()),
  /** With `npm run bench -- --profile`: `start`, then `stop` and the file of the profile. */
  async profile({ args: [action, file] }) {
    if (action === 'stop') return JSON.stringify(await stopProfile(file));
    const { startProfile } = await import('../profiler.js');
    stopProfile = await startProfile();
    return '{}';
  },
});
