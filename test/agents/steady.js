// An agent whose executions can be checked byte for byte, and which knows whether one has begun twice. It lives as long as its host.
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { serve } from 'spearlet/agent';
import { content } from '../stress/callers/content.js';

const begun = new Set();
const running = new Set();
const doubled = [];

const handlers = {
  echo: ({ nonce }) => nonce,
  digest: (_job, { input }) => createHash('sha256').update(input).digest('hex'),
  large: ({ base, total }) => content.slice(base, total).toString('latin1'),
  async stream({ base, total, piece, pause, nonce }, _request, { write, signal }) {
    for (let at = 0; at < total && !signal.aborted; at += piece) {
      await write(content.slice(base + at, Math.min(piece, total - at)));
      if (pause > 0) await sleep(pause);
    }
    return nonce;
  },
  async hang(_job, _request, { signal }) {
    await new Promise(resolve => signal.addEventListener('abort', resolve, { once: true }));
  },
};

await serve({
  report: () => JSON.stringify({ doubled, begun: begun.size, running: [...running] }),
  async job(request, context) {
    const job = JSON.parse(request.args[0]);
    if (begun.has(job.nonce)) doubled.push(job.nonce);
    begun.add(job.nonce);
    running.add(job.nonce);
    try {
      return await handlers[job.kind](job, request, context);
    } finally {
      running.delete(job.nonce);
    }
  },
});
