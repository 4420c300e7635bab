import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The longest files. They start first, so that no worker is left with one of them at the end; a fresh clone knows no durations. */
const LONG = [
  ...['proofs', 'command-line', 'broken-streams', 'signals', 'transports', 'containment', 'breaks', 'attacks', 'listeners', 'pools'],
  ...['drawings', 'rust', 'session.paths', 'command-agent', 'handshake', 'logging', 'bad-input', 'hosts'],
].map(name => `/${name}.test.ts`);

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId, project }: TestSpecification): number => {
      // One after another: vitest keeps a process only for a file that comes next. They are short, and come last.
      if (!project.config.isolate) return LONG.length + 1;
      const at = LONG.findIndex(name => moduleId.endsWith(name));
      return at === -1 ? LONG.length : at;
    };
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}

/**
 * What these test is in one process and starts few programs: one process runs many of their files, which saves its start and the
 * imports. The two that measure memory have a process of their own.
 */
const SHARED = [
  'test/protocol/!(properties|v2-bounds).test.ts',
  ...['cli', 'execution', 'observe', 'pool', 'supervisor', 'transport', 'world'].map(folder => `test/${folder}/**/*.test.ts`),
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
