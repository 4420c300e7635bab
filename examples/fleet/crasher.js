// An agent that crashes as soon as the host has let it in. It speaks wire v1 by hand, since serve() does not tell when that is.
import { connect } from 'node:net';

const { SPEARLET_ADDR, SPEARLET_TOKEN, SPEARLET_INSTANCE_ID } = process.env;
const auth = { instance_id: SPEARLET_INSTANCE_ID, token: SPEARLET_TOKEN, client_version: '1' };
const message = JSON.stringify({
  message_type: 'AuthRequest',
  request_id: 1,
  timestamp: { secs_since_epoch: 1, nanos_since_epoch: 0 },
  payload: [...Buffer.from(JSON.stringify(auth))],
});
const header = Buffer.alloc(8);
header.writeBigUInt64LE(BigInt(message.length));

const [host, port] = SPEARLET_ADDR.split(':');
const socket = connect(Number(port), host);
socket.write(header);
socket.write(message);
socket.once('data', () => {
  process.stderr.write('opens the database\nthe database is locked\n');
  process.exit(4);
});
