// An agent that will not end: it ignores the request, SIGTERM and the end of its host's pipe.
import { connect } from 'node:net';

process.on('SIGTERM', () => process.stderr.write('SIGTERM ignored\n'));
const [host, port] = process.env.SPEARLET_ADDR.split(':');
const frame = (type, struct) => {
  const body = Buffer.from(
    JSON.stringify({
      message_type: type,
      request_id: 1,
      timestamp: { secs_since_epoch: 1, nanos_since_epoch: 0 },
      payload: [...Buffer.from(JSON.stringify(struct))],
    }),
  );
  const header = Buffer.alloc(8);
  header.writeBigUInt64LE(BigInt(body.length));
  return Buffer.concat([header, body]);
};
if (process.argv[2] === 'connects') {
  const socket = connect(Number(port), host);
  socket.write(
    frame('AuthRequest', { instance_id: process.env.SPEARLET_INSTANCE_ID, token: process.env.SPEARLET_TOKEN, client_version: '1' }),
  );
  socket.on('data', () => {});
  socket.on('error', () => {});
}
process.stderr.write('still here\n');
setInterval(() => {}, 1_000);
