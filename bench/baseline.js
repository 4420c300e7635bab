// The other end of the baseline: raw sockets, length and JSON, one write a turn, no protocol beyond that.
import { connect } from 'node:net';

const socket = connect(Number(process.argv[2]), '127.0.0.1');
socket.setNoDelay(true);
let rest = Buffer.alloc(0);
let out = [];
socket.on('data', chunk => {
  rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
  let at = 0;
  while (rest.length - at >= 4) {
    const length = rest.readUInt32LE(at);
    if (rest.length - at - 4 < length) break;
    const { id, args } = JSON.parse(rest.toString('utf8', at + 4, at + 4 + length));
    at += 4 + length;
    const body = Buffer.from(JSON.stringify({ id, status: 'Completed', output: args.join(' '), exitCode: 0 }));
    const header = Buffer.alloc(4);
    header.writeUInt32LE(body.length);
    if (out.push(header, body) === 2) {
      process.nextTick(() => {
        socket.write(Buffer.concat(out));
        out = [];
      });
    }
  }
  rest = rest.subarray(at);
});
socket.on('close', () => process.exit(0));
