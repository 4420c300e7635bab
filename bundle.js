// Bundles the agent's entry behind tsc: an agent starts faster with one file than with forty. errors.js stays a file of its own,
// so that `spearlet` and `spearlet/agent` in one process have the same class SpearletError.
import { fileURLToPath } from 'node:url';
import { build } from 'rolldown';

const errors = fileURLToPath(new URL('src/errors.ts', import.meta.url));

await build({
  input: 'src/agent/index.ts',
  platform: 'neutral',
  external: [/^node:/, 'ws'],
  plugins: [
    {
      name: 'errors',
      async resolveId(source, importer) {
        const resolved = await this.resolve(source, importer, { skipSelf: true });
        return resolved?.id === errors ? { id: '../errors.js', external: true } : resolved;
      },
    },
  ],
  // What only a WebSocket needs is a file of its own, which is loaded then; `shared.js` is what it has in common with the entry.
  // The runtime of rolldown is empty, and no file is written for it; with the same name it would make `shared2.js` of the other.
  output: {
    dir: 'dist/src/agent',
    entryFileNames: 'index.js',
    chunkFileNames: ({ name }) => ({ 'websocket-client': 'websocket.js', 'rolldown-runtime': 'runtime.js' })[name] ?? 'shared.js',
  },
});
