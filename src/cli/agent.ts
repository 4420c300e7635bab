// `spearlet agent`: the agent that runs programs. It prints to stderr why serve() has failed.
import { runCommand } from '../agent/command.ts';
import { SpearletError, serve } from '../agent/index.ts';
import { bounds } from '../limits.ts';
import { printable } from '../printable.ts';
import { stderr } from '../world/stdio.ts';

const USAGE = 2;
const REFUSED = 1;

export async function agent(): Promise<number> {
  try {
    await serve(runCommand, { settings: ['workingDirectory', 'timeout', 'background'] });
    return 0;
  } catch (error) {
    if (!(error instanceof SpearletError)) throw error;
    const hint = error.hint ? `\n  ${printable(error.hint, bounds.quoted)}` : '';
    stderr.write(`spearlet agent: ${error.code}: ${printable(error.message, bounds.quoted)}${hint}\n`);
    return error.code === 'INVALID_OPTIONS' ? USAGE : REFUSED;
  }
}
