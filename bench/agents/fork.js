// The agent of child_process.fork: messages as JSON over node's own channel.
const answer = (id, output) => process.send({ id, status: 'completed', output, exitCode: 0 });

process.on('message', async ({ id, kind, args }) => {
  if (kind === 'echo') answer(id, args.join(' '));
  else if (kind === 'cpu') answer(id, JSON.stringify(process.cpuUsage()));
  else {
    const [count, size] = args.map(Number);
    const text = 'x'.repeat(size);
    for (let n = 0; n < count; n += 1) {
      if (!process.send({ id, chunk: text })) await new Promise(resolve => setImmediate(resolve));
    }
    answer(id, String(count));
  }
});
process.on('disconnect', () => process.exit(0));
process.send('hello');
