// `spearlet check`: reads a configuration file as `run` does, and starts nothing.
import { stdout } from '../world/stdio.ts';
import { USAGE } from './exit-codes.ts';
import { readConfig } from './file.ts';
import { json, legible, printError } from './print.ts';

export function check(file: string, asJson: boolean): number {
  try {
    const names = readConfig(file).specs.map(({ artifactId }) => artifactId);
    const count = names.length === 1 ? '1 instance' : `${names.length} instances`;
    stdout.write(
      asJson ? `${json({ code: 'VALID', instances: names })}\n` : `${legible(`${file} is valid: ${count} (${names.join(', ')})`)}\n`,
    );
    return 0;
  } catch (error) {
    printError(error, asJson);
    return USAGE;
  }
}
