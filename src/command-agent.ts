// Where the command line of this package is, and with it the command agent, whose executions run programs.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { reasonOf, SpearletError } from './errors.ts';

/**
 * The file that `spearlet` runs. Throws SPAWN_FAILED where this package was bundled into another file.
 * @internal
 */
export function commandLineFile(): string {
  try {
    const root = dirname(createRequire(import.meta.url).resolve('spearlet/package.json'));
    return join(root, 'dist', 'src', 'cli', 'main.js');
  } catch (cause) {
    throw new SpearletError('SPAWN_FAILED', `the command line of the package spearlet cannot be found: ${reasonOf(cause)}`, {
      cause,
      hint: 'Leave the package spearlet out of a bundle, or start `spearlet agent` by its path.',
    });
  }
}

/**
 * `{ command, args }` of the agent that runs programs, which is `spearlet agent`: `start({ ...commandAgent() })`. It runs with the Node
 * of this process. Throws SPAWN_FAILED where this package was bundled into another file, and the agent cannot be found.
 */
export const commandAgent = (): { command: string; args: string[] } => ({
  command: process.execPath,
  args: [commandLineFile(), 'agent'],
});
