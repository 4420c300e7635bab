// Cuts its own connection while it works, and goes on.
import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { serve } from 'spearlet/agent';

const standard = [process.stdin, process.stdout, process.stderr];
const cut = () => {
  for (const handle of process._getActiveHandles()) if (handle instanceof Socket && !standard.includes(handle)) handle.destroy();
};

await serve({
  async 'after-reconnect'(_request, { write }) {
    await write('cutting');
    await sleep(50);
    cut();
    return 'survived';
  },
  async 'write-offline'(_request, { write }) {
    cut();
    await sleep(0);
    void write('said while offline');
    return 'done while offline';
  },
});
