// Cuts its own connection while it works, and goes on.
import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { serve } from 'spearlet/agent';

const sockets = new Set();
const { connect } = Socket.prototype;
Socket.prototype.connect = function (...args) {
  sockets.add(this);
  return connect.apply(this, args);
};

await serve({
  async 'after-reconnect'(_request, { write }) {
    await write('cutting');
    await sleep(50);
    for (const socket of sockets) socket.destroy();
    return 'survived';
  },
  async 'write-offline'(_request, { write }) {
    for (const socket of sockets) socket.destroy();
    await sleep(0);
    void write('said while offline');
    return 'done while offline';
  },
});
