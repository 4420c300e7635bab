import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The longest files. They start first, so that no worker is left with one of them at the end; a fresh clone knows no durations. */
const LONG = [
  ...['proofs', 'command-line', 'broken-streams', 'signals', 'transports', 'containment', 'breaks', 'attacks', 'listeners', 'pools'],
  ...['drawings', 'rust', 'session.paths', 'command-agent', 'handshake', 'logging', 'bad-input', 'hosts'],
].map(name => `/${name}.test.ts`);

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // Those with a process of their own come last: vitest keeps a process only for a file that comes next.
    const place = ({ moduleId, project }: TestSpecification): number => {
      const at = LONG.findIndex(name => moduleId.endsWith(name));
      return at === -1 ? LONG.length + Number(project.config.isolate) : at;
    };
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}

/** One process runs many of these files, which saves its start and the imports. The two that measure memory have one of their own. */
const SHARED = [
  'test/protocol/!(properties|v2-bounds).test.ts',
  'test/situations/!(memory).test.ts',
  'test/situations/peers/**/*.test.ts',
  // What execa registers for signals stays in a process.
  'test/world/!(host-end).test.ts',
  ...['process', 'instance', 'cli', 'connection', 'execution', 'journal', 'observe', 'pool', 'supervisor', 'transport'].map(
    folder => `test/${folder}/**/*.test.ts`,
  ),
  ...['test/options.test.ts', 'test/wiring.test.ts'],
];

export default defineConfig({
  test: {
    setupFiles: ['test/census/setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: 'forks',
    execArgv: ['--expose-gc'],
    maxWorkers: 3,
    sequence: { sequencer: LongFirst },
    projects: [
      { extends: true, test: { name: 'own process', include: ['test/**/*.test.ts'], exclude: SHARED } },
      { extends: true, test: { name: 'shared process', include: SHARED, isolate: false } },
    ],
  },
});
