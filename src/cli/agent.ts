// `spearlet agent`: the agent that runs programs. It prints to stderr why serve() has failed, and what its answers cannot say.
import { commandHandler, type Report } from '../agent/command.ts';
import { SpearletError, serve } from '../agent/index.ts';
import { bounds } from '../limits.ts';
import { printable } from '../printable.ts';
import { stderr } from '../world/stdio.ts';
import { USAGE } from './exit-codes.ts';
import { errorJson, json } from './print.ts';

const REFUSED = 1;

export async function agent(asJson: boolean): Promise<number> {
  const report: Report = (taskId, code, message) =>
    stderr.write(asJson ? `${json({ code, message, taskId })}\n` : `spearlet agent: task ${JSON.stringify(taskId)}: ${message}\n`);
  try {
    await serve(commandHandler(report), { settings: ['workingDirectory', 'timeout', 'background'] });
    return 0;
  } catch (error) {
    if (!(error instanceof SpearletError)) throw error;
    const hint = error.hint ? `\n  ${printable(error.hint, bounds.quoted)}` : '';
    const text = `spearlet agent: ${error.code}: ${printable(error.message, bounds.quoted)}${hint}`;
    stderr.write(`${asJson ? json(errorJson(error)) : text}\n`);
    return error.code === 'INVALID_OPTIONS' ? USAGE : REFUSED;
  }
}
