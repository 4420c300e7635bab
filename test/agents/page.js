// The script of a page in a browser: an agent for every day. A test calls `becomeAgent` with the environment of `expect()`.
import { serve } from '/agent.js';

globalThis.becomeAgent = environment =>
  serve(environment, {
    echo: ({ args }) => args.join(' '),
    title: () => document.title,
    repeat: ({ args }) => args[0].repeat(Number(args[1])),
    count({ args }, { write }) {
      for (let n = 1; n <= Number(args[0]); n += 1) write(`${n}\n`);
    },
    wait: (_request, { signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(new Error('aborted in the page')));
      }),
    fail() {
      throw new Error('thrown in the page');
    },
  });
