// `spearlet agent`: the command agent. It says on stderr why it could not be one.
import { runCommand } from '../agent/command.ts';
import { SpearletError, serve } from '../agent/index.ts';
import { printable } from '../printable.ts';
import { stderr } from '../world/stdio.ts';

const USAGE = 2;
const REFUSED = 1;

export async function agent(): Promise<number> {
  try {
    await serve(runCommand);
    return 0;
  } catch (error) {
    if (!(error instanceof SpearletError)) throw error;
    const hint = error.hint ? `\n  ${printable(error.hint, 1_000)}` : '';
    stderr.write(`spearlet agent: ${error.code}: ${printable(error.message, 1_000)}${hint}\n`);
    return error.code === 'INVALID_OPTIONS' ? USAGE : REFUSED;
  }
}
