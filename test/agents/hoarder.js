// An agent that takes 500 MB a second once it is told to, up to 2 GB, and keeps them.
import { serve } from 'spearlet/agent';

const held = [];
await serve({
  echo: ({ args }) => args.join(' '),
  hoard: () =>
    new Promise(() => {
      const began = performance.now();
      setInterval(() => {
        while (held.length < Math.min(2_000, (performance.now() - began) / 2)) held.push(Buffer.alloc(1e6, 1));
      }, 2);
    }),
});
