import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The longest files. They start first, so that no worker is left with one of them at the end; a fresh clone knows no durations. */
const LONG = [
  ...['proofs', 'command-line', 'broken-streams', 'signals', 'transports', 'containment', 'breaks', 'attacks', 'listeners', 'pools'],
  ...['drawings', 'rust', 'session.paths', 'command-agent', 'handshake', 'logging', 'bad-input', 'hosts'],
].map(name => `/${name}.test.ts`);

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const at = LONG.findIndex(name => moduleId.endsWith(name));
      return at === -1 ? LONG.length : at;
    };
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/census/census.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: 'forks',
    execArgv: ['--expose-gc'],
    maxWorkers: 2,
    sequence: { sequencer: LongFirst },
  },
});
