// child_process.fork: messages as JSON over node's own channel.
import { callsOf, createCalls } from './calls.js';
import { exited, forkAgent } from './child.js';

export const forkJson = {
  name: 'fork-json',
  async open() {
    return {
      async start() {
        const child = forkAgent('fork.js');
        const { call, chunk, answer } = createCalls((id, kind, args) => child.send({ id, kind, args }));
        await new Promise(resolve => child.once('message', resolve));
        child.on('message', message => (message.chunk === undefined ? answer(message.id, message) : chunk(message.id, message.chunk)));
        return {
          ...callsOf(call),
          pid: child.pid,
          async close() {
            child.disconnect();
            await exited(child);
          },
        };
      },
      close() {},
    };
  },
};
