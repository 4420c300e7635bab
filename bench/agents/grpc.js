// The agent of grpc-js: a server that prints its port.
import { fileURLToPath } from 'node:url';
import { loadPackageDefinition, Server, ServerCredentials } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const { Agent } = loadPackageDefinition(loadSync(fileURLToPath(new URL('agent.proto', import.meta.url)))).bench;
const completed = output => ({ status: 'completed', output, exitCode: 0 });

const server = new Server();
server.addService(Agent.service, {
  execute({ request: { command, args } }, respond) {
    respond(null, completed(command === 'echo' ? args.join(' ') : JSON.stringify(process.cpuUsage())));
  },
  async stream(call) {
    const [count, size] = call.request.args.map(Number);
    const output = 'x'.repeat(size);
    for (let n = 0; n < count; n += 1)
      if (!call.write({ status: 'running', output })) await new Promise(resolve => call.once('drain', resolve));
    call.write(completed(String(count)));
    call.end();
  },
});
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(port);
});
process.stdin.on('end', () => process.exit(0)).resume();
