// Prepares a spawn: a clean environment, and the path of the program, which is found before anything is spawned.
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { SpearletError } from '../errors.ts';

/** The only variables that are passed on from the host, since an agent must not get the host's secrets. */
const ALLOWED = ['HOME', 'LOGNAME', 'PATH', 'SHELL', 'TERM', 'USER', 'LANG', 'TZ', 'TMPDIR'];
const DEFAULT_PATH = '/usr/local/bin:/usr/bin:/bin';

/**
 * The ids of the instances and executions of other hosts inside which this host runs, outermost first. Every program that is
 * started here gets them, so that those hosts find it when they end the instance or the execution. Instance ids have a name
 * of their own, since this host sets SPEARLET_INSTANCE_ID itself.
 */
export function outerIds(host: NodeJS.ProcessEnv): Record<string, string> {
  const { SPEARLET_INSTANCE_ID: own, SPEARLET_OUTER_INSTANCE_IDS: outer, SPEARLET_EXECUTION_ID: execution } = host;
  const ids = [outer, own].filter(Boolean).join(' ');
  return { ...(ids ? { SPEARLET_OUTER_INSTANCE_IDS: ids } : {}), ...(execution ? { SPEARLET_EXECUTION_ID: execution } : {}) };
}
/** A spec cannot set these: they decide which tree a process belongs to. */
const RESERVED = ['SPEARLET_OUTER_INSTANCE_IDS', 'SPEARLET_EXECUTION_ID'];

/** The allowed variables of the host, then those of the spec, then `own`; later ones replace earlier ones. */
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
    // A part of the path is no directory, or this user may not search it.
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
 * The path of the program that `command` names, found as a shell finds it: through PATH, or, for a command with a slash,
 * relative to the working directory. Throws SPAWN_FAILED that names what is missing.
 */
export function findProgram(command: string, workingDirectory: string, environment: Readonly<Record<string, string>>): string {
  if (!isDirectory(workingDirectory)) {
    throw new SpearletError('SPAWN_FAILED', `the working directory '${workingDirectory}' does not exist or is no directory`, {
      hint: 'Create it, or correct `workingDirectory`.',
    });
  }
  const path = environment.PATH ?? DEFAULT_PATH;
  const candidates = command.includes('/')
    ? [resolve(workingDirectory, command)]
    : path.split(delimiter).map(folder => join(isAbsolute(folder) ? folder : resolve(workingDirectory, folder || '.'), command));
  const found = candidates.filter(isFile);
  const executable = found.find(isExecutable);
  if (executable !== undefined) return executable;
  if (found[0] !== undefined) {
    throw new SpearletError('SPAWN_FAILED', `'${found[0]}' is not executable`, {
      hint: 'Make it executable (chmod +x), or name its interpreter as the command.',
    });
  }
  const where = command.includes('/') ? `: there is no file '${candidates[0]}'` : ` in PATH (${path})`;
  throw new SpearletError('SPAWN_FAILED', `the program '${command}' was not found${where}`, {
    hint: 'Install it, correct `command`, or set PATH in `environment`.',
  });
}
