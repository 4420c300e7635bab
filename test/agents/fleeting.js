// An agent by hand that does one thing as soon as it is let in: `crash`, with exit code 4, or `leave`, and live on without a
// connection.
import { connect } from 'node:net';

const [host, port] = process.env.SPEARLET_ADDR.split(':');
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
const socket = connect(Number(port), host);
socket.write(Buffer.concat([header, body]));
socket.on('error', () => {});
socket.once('data', () => {
  if (process.argv[2] === 'crash') process.exit(4);
  socket.destroy();
});
process.stdin.on('end', () => process.exit()).resume();
