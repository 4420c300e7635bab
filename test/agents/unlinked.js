// An agent by hand on the socket that it inherits: it gives the socket up when it is asked for anything, and lives on.
import { Socket } from 'node:net';

const auth = { instance_id: process.env.SPEARLET_INSTANCE_ID, token: process.env.SPEARLET_TOKEN, client_version: '1' };
const body = Buffer.from(
  JSON.stringify({
    message_type: 'AuthRequest',
    request_id: 1,
    timestamp: { secs_since_epoch: 1, nanos_since_epoch: 0 },
    payload: [...Buffer.from(JSON.stringify(auth))],
  }),
);
const header = Buffer.alloc(8);
header.writeBigUInt64LE(BigInt(body.length));
const socket = new Socket({ fd: 3 });
socket.write(Buffer.concat([header, body]));
socket.once('data', () => socket.once('data', () => socket.destroy()));
process.stdin.on('end', () => process.exit()).resume();
