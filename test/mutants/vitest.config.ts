// The tests as a mutant meets them: one file at a time, and the first failure is enough.
import { join } from 'node:path';
import { defineConfig, mergeConfig } from 'vitest/config';
import base from '../../vitest.config.ts';
import { reporter, Sequencer } from './reporter.ts';

const root = join(import.meta.dirname, '..', '..');

export default mergeConfig(
  base,
  defineConfig({
    root,
    // node_modules is a link to the user's: nothing is written there.
    cacheDir: join(root, '.cache'),
    // Here, since the projects do not heed `--maxWorkers`.
    test: {
      reporters: [reporter],
      sequence: { sequencer: Sequencer as never },
      disableConsoleIntercept: true,
      maxWorkers: Number(process.env.MUTANT_WORKERS),
    },
  }),
);
