// The agent of the benchmarks that speaks spearlet.
import { serve } from 'spearlet/agent';

await serve({
  echo: request => request.args.join(' '),
  async stream({ args: [count, size] }, { write }) {
    const text = 'x'.repeat(Number(size));
    for (let n = 0; n < Number(count); n += 1) await write(text);
    return count;
  },
  cpu: () => JSON.stringify(process.cpuUsage()),
});
