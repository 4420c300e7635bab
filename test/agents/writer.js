// Writes and ends when it is told so by its parent, whether it has a host or not.
import { serve } from 'spearlet/agent';

const running = new Map();

process.on('message', ({ task, write = [], end }) => {
  if (task === undefined) return process.send('here');
  const { context, resolve } = running.get(task);
  for (const text of write) void context.write(text);
  if (end !== undefined) resolve(end);
  // After what that has set going.
  setImmediate(() => process.send('done'));
});

await serve({
  work: (_request, context) =>
    new Promise((resolve, reject) => {
      running.set(context.taskId, { context, resolve });
      context.signal.addEventListener('abort', () => reject(context.signal.reason), { once: true });
    }),
  huge: request => 'x'.repeat(Number(request.args[0])),
  echo: request => request.args.join(' '),
});
process.disconnect();
