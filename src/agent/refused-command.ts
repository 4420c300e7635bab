// Requests that no program can be started for are refused before anything starts, in words that name the fault.
import { statSync } from 'node:fs';
import { reasonOf } from '../errors.ts';
import type { AgentRequest } from './handler.ts';

/** A limit of Linux: one argument, or one variable with its name, has at most 32 pages with its NUL. In bytes. */
const MAX_TEXT = 32 * 4_096 - 1;
/** The exit codes of a shell for a command that cannot be executed, and for one that does not exist. */
const CANNOT_EXECUTE = 126;
const NOT_FOUND = 127;
const EXIT_CODES: Readonly<Record<string, number>> = { ENOENT: NOT_FOUND, EACCES: CANNOT_EXECUTE, E2BIG: CANNOT_EXECUTE };
/** The exit code for a program that could not be started for another reason. */
const NOT_STARTED = 125;

export interface Refusal {
  readonly exitCode: number;
  readonly error: string;
}

const refuse = (error: string, exitCode = CANNOT_EXECUTE): Refusal => ({ exitCode, error });

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/** Null: a program may be started for it. */
export function refusalOf({ command, args, env, settings }: AgentRequest): Refusal | null {
  if (command === '') return refuse('the command is empty', NOT_FOUND);
  const texts: [what: string, text: string][] = [['the command', command]];
  args.forEach((text, i) => void texts.push([`argument ${i + 1}`, text]));
  for (const [name, value] of Object.entries(env)) {
    if (name === '' || name.includes('=')) return refuse(`the name of the variable ${JSON.stringify(name)} is empty or has a '='`);
    texts.push([`the variable ${JSON.stringify(name.slice(0, 64))}`, `${name}=${value}`]);
  }
  for (const [what, text] of texts) {
    if (text.includes('\0')) return refuse(`${what} holds a NUL, which cannot be passed to a program`);
    // A text has at most 3 bytes for each UTF-16 unit.
    if (text.length * 3 > MAX_TEXT && Buffer.byteLength(text) > MAX_TEXT)
      return refuse(`${what} has ${Buffer.byteLength(text)} bytes, the system passes at most ${MAX_TEXT}: use \`input\` or a file`);
  }
  const directory = settings?.workingDirectory;
  if (directory !== undefined && !isFolder(directory)) return refuse(`the working directory '${directory}' is no folder`);
  return null;
}

/** The system has not started the program, for this reason. */
export function startFailure(command: string, thrown: unknown): Refusal {
  const { code = '' } = thrown as NodeJS.ErrnoException;
  const why = code === 'E2BIG' ? 'its arguments and variables are too many for the system: use `input` or a file' : reasonOf(thrown);
  return refuse(`'${command}' could not be started: ${why}`, EXIT_CODES[code] ?? NOT_STARTED);
}
