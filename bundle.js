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
  output: {
    dir: 'dist/src/agent',
    entryFileNames: 'index.js',
    chunkFileNames: ({ name }) => (name === 'websocket-client' ? 'websocket.js' : 'shared.js'),
  },
});
