// An agent without serve() and without signal handlers, as programs in other languages often are.
import { connect } from 'node:net';

const [host, port] = process.env.SPEARLET_ADDR.split(':');
const bytes = text => [...Buffer.from(JSON.stringify(text))];
const message = {
  message_type: 'AuthRequest',
  request_id: 1,
  timestamp: { secs_since_epoch: 1, nanos_since_epoch: 0 },
  payload: bytes({ instance_id: process.env.SPEARLET_INSTANCE_ID, token: process.env.SPEARLET_TOKEN, client_version: '1' }),
};
const body = Buffer.from(JSON.stringify(message));
const header = Buffer.alloc(8);
header.writeBigUInt64LE(BigInt(body.length));
const socket = connect(Number(port), host);
socket.write(Buffer.concat([header, body]));
socket.on('data', () => {});
socket.on('error', () => {});
