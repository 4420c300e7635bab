// A configuration file as the command line is given it.
import { readFileSync } from 'node:fs';
import { specsFromConfig } from '../config.ts';
import { type InstanceSpec, SpearletError } from '../index.ts';

/** Throws INVALID_CONFIG, also for a file that cannot be read. */
export function readSpecs(file: string): InstanceSpec[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new SpearletError('INVALID_CONFIG', `the file '${file}' cannot be read: ${(cause as Error).message}`, { cause });
  }
  return specsFromConfig(text);
}
