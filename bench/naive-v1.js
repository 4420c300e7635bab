// The frames of wire v1, written and read naively.
import { createWriter } from './framing.js';

export function createNaiveWriter(socket) {
  const write = createWriter(socket);
  return (type, id, payload) => {
    const now = Date.now();
    const message = {
      message_type: type,
      request_id: id,
      timestamp: { secs_since_epoch: Math.floor(now / 1_000), nanos_since_epoch: (now % 1_000) * 1_000_000 },
      payload: [...Buffer.from(JSON.stringify(payload))],
    };
    const body = Buffer.from(JSON.stringify(message));
    const header = Buffer.alloc(8);
    header.writeUInt32LE(body.length, 0);
    write(header, body);
  };
}

export function readNaive(frame) {
  const { message_type: type, request_id: id, payload } = JSON.parse(frame.toString('utf8', 8));
  return { type, id, payload: JSON.parse(Buffer.from(payload).toString()) };
}
