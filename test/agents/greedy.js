// An agent for every day that can also grow: `grow <MB/s> <MB>` says each time what it holds, in MB. It can flood its stdout,
// by itself or by a child: `spill <MB>`.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { serve } from 'spearlet/agent';

const held = [];
await serve({
  echo: request => request.args.join(' '),
  async grow(request, { write }) {
    const [rate, most] = request.args.map(Number);
    const began = performance.now();
    while (held.length < most) {
      const wanted = Math.min(most, (rate * (performance.now() - began)) / 1_000);
      while (held.length < wanted) held.push(Buffer.alloc(1e6, 1));
      await write(`${held.length}\n`);
      await sleep(2);
    }
    return 'grown';
  },
  async spill(request) {
    const child = spawn('head', ['-c', `${request.args[0]}000000`, '/dev/zero'], { stdio: ['ignore', 'inherit', 'inherit'] });
    const [code] = await once(child, 'exit');
    return { exitCode: code };
  },
});
