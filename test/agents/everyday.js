// An agent for every day, on serve().
import { serve } from 'spearlet/agent';

await serve({
  echo: request => request.args.join(' '),
  async count(request, { write }) {
    for (let n = 0; n < Number(request.args[0]); n += 1) await write(`${n}\n`);
  },
  fail: request => ({ exitCode: Number(request.args[0]), error: 'as asked', output: 'partial' }),
  throw: () => {
    throw new Error('thrown');
  },
  env: request => JSON.stringify(request.env),
  environment: request => JSON.stringify(request.args.map(name => process.env[name] ?? null)),
  print: request => void process.stdout.write(request.args.join(' ')),
  pid: () => String(process.pid),
  wait: (_request, { signal }) =>
    new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    }),
  later: ({ args }) => new Promise(resolve => setTimeout(resolve, Number(args[0]), args[1])),
  laterUnlessAborted: ({ args }, { signal }) =>
    new Promise((resolve, reject) => {
      setTimeout(resolve, Number(args[0]), args[1]);
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    }),
  exit: request => process.exit(Number(request.args[0])),
  async flood(request, { write }) {
    for (let n = 0; n < Number(request.args[0]); n += 1) await write('x'.repeat(Number(request.args[1])));
  },
});
