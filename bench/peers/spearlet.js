// spearlet through its public API, with production settings.
import { fileURLToPath } from 'node:url';
import { createSpearlet } from 'spearlet';

const agent = fileURLToPath(new URL('../agents/spearlet.js', import.meta.url));

/** `transport`: that of the spec. */
const peer = (name, options, transport = 'tcp') => ({
  name,
  async open() {
    const spearlet = createSpearlet({ logger: false, ...options });
    const instance = await spearlet.start({ artifactId: 'bench', command: process.execPath, args: [agent], transport });
    return {
      echo: text => instance.execute({ command: 'echo', args: [text] }).result,
      stream(count, size, chunk) {
        const execution = instance.execute({ command: 'stream', args: [String(count), String(size)] });
        execution.updates$.subscribe(({ status, output }) => {
          if (status === 'running') chunk(output);
        });
        return execution.result;
      },
      async agentCpu() {
        const { user, system } = JSON.parse((await instance.execute({ command: 'cpu' }).result).output);
        return user + system;
      },
      close: () => spearlet.stop(),
    };
  },
});

export const spearletV2 = peer('spearlet', {});
export const spearletV1 = peer('spearlet, wire v1', { protocols: [1] });
export const spearletUnix = peer('spearlet, unix', {}, 'unix');
export const spearletFd = peer('spearlet, fd', {}, 'fd');
export const spearletWs = peer('spearlet, ws', {}, 'ws');
