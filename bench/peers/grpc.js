// @grpc/grpc-js as its users write it: the agent is the server; a unary call for each echo, a server stream for W3.
import { once } from 'node:events';
import { credentials, loadPackageDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { cpuOf } from './calls.js';
import { agentFile, exited, spawnAgent } from './child.js';

const { Agent } = loadPackageDefinition(loadSync(agentFile('agent.proto'))).bench;
/** How long a client waits for its channel, in ms. */
const READY = 30_000;

export const grpc = {
  name: 'grpc-js',
  async open() {
    return {
      async start() {
        const child = spawnAgent('grpc.js');
        const [port] = await once(child.stdout, 'data');
        const client = new Agent(`127.0.0.1:${Number(port)}`, credentials.createInsecure());
        await new Promise((resolve, reject) => client.waitForReady(Date.now() + READY, error => (error ? reject(error) : resolve())));
        const execute = (command, args) =>
          new Promise((resolve, reject) =>
            client.execute({ command, args }, (error, response) => (error ? reject(error) : resolve(response))),
          );
        return {
          pid: child.pid,
          echo: text => execute('echo', [text]),
          stream: (count, size, chunk) =>
            new Promise((resolve, reject) => {
              let last;
              client
                .stream({ command: 'stream', args: [String(count), String(size)] })
                .on('data', response => {
                  if (response.status === 'running') chunk(response.output);
                  else last = response;
                })
                .on('error', reject)
                .on('end', () => resolve(last));
            }),
          cpu: async () => cpuOf((await execute('cpu', [])).output),
          async close() {
            client.close();
            child.kill();
            await exited(child);
          },
        };
      },
      close() {},
    };
  },
};
