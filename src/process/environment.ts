// What a program is started with: a clean environment, and a command that is found before anything is spawned.
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { SpearletError } from '../errors.ts';

/** All that is passed on from the host. Secrets of the host are none of the agent's business. */
const ALLOWED = ['HOME', 'LOGNAME', 'PATH', 'SHELL', 'TERM', 'USER', 'LANG', 'TZ', 'TMPDIR'];
const DEFAULT_PATH = '/usr/local/bin:/usr/bin:/bin';

/**
 * Where this host runs inside an instance of another one, or inside an execution of its command agent: the ids by which
 * that one finds what it has to end. They go on to whatever is started here, the outermost first, under a name of their
 * own, since SPEARLET_INSTANCE_ID is this host's to give.
 */
export function outerIds(host: NodeJS.ProcessEnv): Record<string, string> {
  const { SPEARLET_INSTANCE_ID: own, SPEARLET_OUTER_INSTANCE_IDS: outer, SPEARLET_EXECUTION_ID: execution } = host;
  const ids = [outer, own].filter(Boolean).join(' ');
  return { ...(ids ? { SPEARLET_OUTER_INSTANCE_IDS: ids } : {}), ...(execution ? { SPEARLET_EXECUTION_ID: execution } : {}) };
}
/** Nobody else says whose a process is. */
const RESERVED = ['SPEARLET_OUTER_INSTANCE_IDS', 'SPEARLET_EXECUTION_ID'];

/** The allow-list of the host's environment, then the spec's, then ours. */
export function cleanEnvironment(
  host: NodeJS.ProcessEnv,
  spec: ReadonlyMap<string, string>,
  own: Readonly<Record<string, string>>,
): Record<string, string> {
  // Without a prototype: `__proto__` is a name like any other.
  const environment: Record<string, string> = Object.create(null);
  for (const name of ALLOWED) {
    const value = host[name];
    if (value !== undefined) environment[name] = value;
  }
  for (const [name, value] of spec) if (!RESERVED.includes(name)) environment[name] = value;
  return Object.assign(environment, outerIds(host), own);
}

const isDirectory = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
const isFile = (path: string): boolean => {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
  } catch {
    // A part of the path is no directory, or may not be searched.
    return false;
  }
};
const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/**
 * The path of the program that `command` means: as the shell finds it, through PATH unless it holds a slash, which is
 * relative to the working directory. Throws SPAWN_FAILED that names what is missing.
 */
export function findProgram(command: string, workingDirectory: string, environment: Readonly<Record<string, string>>): string {
  if (!isDirectory(workingDirectory)) {
    throw new SpearletError('SPAWN_FAILED', `the working directory '${workingDirectory}' does not exist or is no directory`, {
      hint: 'Create it, or correct `workingDirectory`.',
    });
  }
  const path = environment.PATH ?? DEFAULT_PATH;
  const places = command.includes('/')
    ? [resolve(workingDirectory, command)]
    : path.split(delimiter).map(folder => join(isAbsolute(folder) ? folder : resolve(workingDirectory, folder || '.'), command));
  const found = places.filter(isFile);
  const executable = found.find(isExecutable);
  if (executable !== undefined) return executable;
  if (found[0] !== undefined) {
    throw new SpearletError('SPAWN_FAILED', `'${found[0]}' is not executable`, {
      hint: `Make it so (chmod +x), or name its interpreter as the command.`,
    });
  }
  const where = command.includes('/') ? `: there is no file '${places[0]}'` : ` in PATH (${path})`;
  throw new SpearletError('SPAWN_FAILED', `the program '${command}' was not found${where}`, {
    hint: 'Install it, correct `command`, or set PATH in `environment`.',
  });
}
