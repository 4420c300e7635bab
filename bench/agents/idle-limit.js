// Opens connections to limit-tcp that say hello and then nothing.
import { connect } from 'node:net';
import { createLimitWriter, HELLO } from '../framing.js';

process.on('message', ({ port, token, numbers }) => {
  for (const number of numbers) {
    const socket = connect(port, '127.0.0.1', () => createLimitWriter(socket)(number, HELLO, Buffer.from(token)));
    socket.setNoDelay(true);
    socket.on('data', () => {});
  }
});
process.on('disconnect', () => process.exit(0));
