// spearlet through its public API, with production settings: every option has its default, the logger too.
import { createSpearlet } from '../../dist/src/index.js';
import { cpuOf } from './calls.js';
import { agentFile, forkAgent } from './child.js';

/** How many external agents connect at once. A listener has a bound for connections that are not authenticated. */
const AT_ONCE = 64;

/** `transport`: that of the spec. */
const peer = (name, options, transport = 'tcp') => ({
  name,
  async open({ manyConnections = false } = {}) {
    const spearlet = createSpearlet({ ...options, ...(manyConnections ? { listener: 'shared' } : {}) });
    return {
      async start() {
        const instance = await spearlet.start({
          artifactId: 'bench',
          command: process.execPath,
          args: [agentFile('spearlet.js')],
          transport,
        });
        const execute = (command, args = []) => instance.execute({ command, args });
        return {
          pid: instance.pid,
          echo: text => execute('echo', [text]).result,
          stream(count, size, chunk) {
            const execution = execute('stream', [String(count), String(size)]);
            execution.updates$.subscribe(({ status, output }) => {
              if (status === 'running') chunk(output);
            });
            return execution.result;
          },
          cpu: async () => cpuOf((await execute('cpu').result).output),
          profile: async (...args) => JSON.parse((await execute('profile', args).result).output),
          close: () => instance.stop(),
        };
      },
      idle() {
        const child = forkAgent('idle-spearlet.js');
        return {
          async connect(count) {
            for (let left = count; left > 0; left -= AT_ONCE) {
              const agents = Array.from({ length: Math.min(left, AT_ONCE) }, () => spearlet.expect({ artifactId: 'bench' }));
              child.send(agents.map(({ environment }) => environment));
              await Promise.all(agents.map(({ ready }) => ready));
            }
          },
        };
      },
      close: () => spearlet.stop(),
    };
  },
});

export const spearletV2 = peer('spearlet', {});
export const spearletV1 = peer('spearlet-v1', { protocols: [1] });
export const spearletUnix = peer('spearlet-unix', {}, 'unix');
export const spearletFd = peer('spearlet-fd', {}, 'fd');
export const spearletWs = peer('spearlet-ws', {}, 'ws');
