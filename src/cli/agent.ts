// `spearlet agent`: the command agent. It says on stderr why it could not be one.
import { runCommand } from '../agent/command.ts';
import { SpearletError, serve } from '../agent/index.ts';

const USAGE = 2;
const REFUSED = 1;

export async function agent(): Promise<number> {
  try {
    await serve(runCommand);
    return 0;
  } catch (error) {
    if (!(error instanceof SpearletError)) throw error;
    process.stderr.write(`spearlet agent: ${error.code}: ${error.message}${error.hint ? `\n  ${error.hint}` : ''}\n`);
    return error.code === 'INVALID_OPTIONS' ? USAGE : REFUSED;
  }
}
