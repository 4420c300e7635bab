// The program of limit-tcp in bench/startup.js: argv[2] is the port.
import { connect } from 'node:net';

const socket = connect(Number(process.argv[2]), '127.0.0.1');
socket.setNoDelay(true);
socket.write('hello');
socket.on('close', () => process.exit(0));
