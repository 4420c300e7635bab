// An agent whose executions can be told apart: `tick` counts them, `stream` numbers its lines. Imported with detour.js.
import { serve } from 'spearlet/agent';

let ticks = 0;
await serve({
  tick() {
    ticks += 1;
    return String(ticks);
  },
  async stream({ args: [count, size] }, { write }) {
    for (let n = 0; n < Number(count); n += 1) await write(`${n} `.padEnd(Number(size), '.'));
    return 'the end';
  },
  echo: ({ args }) => args.join(' '),
  size: ({ input }) => String(input?.length),
});
