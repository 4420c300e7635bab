// Reads the configuration file that is named on the command line.
import { readFileSync } from 'node:fs';
import { specsFromConfig } from '../config.ts';
import { type InstanceSpec, SpearletError } from '../index.ts';

/** Throws INVALID_CONFIG, also if the file cannot be read. */
export function readSpecs(file: string): InstanceSpec[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new SpearletError('INVALID_CONFIG', `cannot read the file '${file}': ${(cause as Error).message}`, { cause });
  }
  return specsFromConfig(text);
}
