// An agent of the callers' proof, on serve(). It notes in a journal what it executes, writes the content that the proof knows
// by heart, and, told by a signal, cuts its own connection or lets its event loop stand still.
import { appendFileSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { serve } from 'spearlet/agent';
import { sockets } from './detour.js';

const [journal, contentFile] = process.argv.slice(2);
const content = readFileSync(contentFile);
const note = (...words) => appendFileSync(journal, `${words.join(' ')}\n`);
const running = new Set();

const cut = how => {
  for (const socket of sockets) {
    if (how === 'reset') socket.resetAndDestroy();
    else if (how === 'end') socket.end();
    else socket.destroy();
  }
};
const block = ms => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
const slice = (from, length) => {
  const at = from % content.length;
  const first = content.subarray(at, at + length);
  return first.length === length ? first : Buffer.concat([first, slice(0, length - first.length)]);
};

/** `total` bytes from `base` on, in pieces; in their midst, at `at`, the event loop may stand still for `ms`. */
async function scribble({ base, total, piece, pause, at, ms, awaited }, write, goOn) {
  let written = 0;
  while (written < total && goOn()) {
    if (ms > 0 && written >= at) {
      block(ms);
      ms = 0;
    }
    const length = Math.min(piece, total - written);
    const done = write(slice(base + written, length));
    written += length;
    if (awaited) await done;
    else done.catch(() => {});
    if (pause > 0) await sleep(pause);
  }
}

const handlers = {
  echo: ({ nonce }) => `done ${nonce}`,
  async write(job, { write, signal }) {
    await scribble(job, write, () => !(job.listens && signal.aborted));
    if (job.listens && signal.aborted) throw signal.reason;
    return { output: `done ${job.nonce}`, exitCode: job.exitCode };
  },
  async throw(job, { write }) {
    await scribble(job, write, () => true);
    throw new Error(`thrown ${job.nonce}`);
  },
  /** Until it is cancelled. */
  async hang(job, { write, signal }) {
    await scribble(job, write, () => !signal.aborted);
    if (!signal.aborted) await new Promise(resolve => signal.addEventListener('abort', resolve, { once: true }));
    throw signal.reason;
  },
  /** Does not listen to a cancel, and ends by itself. */
  async deaf(job, { write }) {
    await scribble(job, write, () => true);
    await sleep(job.linger);
    return `done ${job.nonce}`;
  },
};

await serve(
  {
    running: () => JSON.stringify([...running]),
    async job({ args: [text] }, context) {
      const job = JSON.parse(text);
      note('B', job.nonce, process.pid);
      running.add(job.nonce);
      if (job.kind !== 'echo') context.signal.addEventListener('abort', () => note('A', job.nonce), { once: true });
      try {
        const value = await handlers[job.kind](job, context);
        note('E', job.nonce);
        return value;
      } catch (error) {
        note('F', job.nonce);
        throw error;
      } finally {
        running.delete(job.nonce);
      }
    },
  },
  {
    onSignal(data) {
      const [what, value] = data.split(' ');
      if (what === 'cut') cut(value);
      else block(Number(value));
    },
  },
);
