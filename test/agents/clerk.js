// An agent of the proof `pools`: it notes in a journal every execution that it begins, before it answers.
import { openSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { serve } from 'spearlet/agent';

const journal = openSync(process.argv[2], 'a');

await serve({
  async note({ args: [nonce, pause] }, { write }) {
    // One write with O_APPEND: the lines of all members stay whole, also those of one that is killed.
    writeSync(journal, `${nonce}\n`);
    if (pause === '') return `noted ${nonce}`;
    await write(`began ${nonce}\n`);
    await sleep(Number(pause));
    return `noted ${nonce}`;
  },
});
