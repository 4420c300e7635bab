// The folder of this user's Unix sockets: chooses and makes the folder, refuses one that others could enter, names the sockets, and
// removes those of dead hosts. It opens no socket.
import { tmpdir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { reasonOf, SpearletError } from '../errors.ts';
import type { ProcessTable } from '../process/tree/proc-table.ts';
import type { Disk } from '../world/disk.ts';
import { type HostTable, identityOf, stateOfHost } from './host-identity.ts';

export interface SocketFolder {
  /** The path of a socket that does not exist. Throws LISTEN_FAILED where the folder cannot be trusted. */
  newPath(): string;
}

export interface SocketFolderDeps {
  readonly disk: Pick<Disk, 'requirePrivate' | 'names' | 'remove'>;
  readonly processTable: HostTable & Pick<ProcessTable, 'works'>;
  readonly folder: string;
  /** Unique among the hosts of this process. */
  readonly id: string;
}

/** Characters of a boot id and of an id that suffice to distinguish them: the length of a path is bounded. */
const DIGITS = 8;
/** The host of a socket: boot, pid namespace, pid, start time, id; and the number of the socket. */
const NAME = /^([\w-]+)\.(\d+)\.(\d+)\.(\d+)\.\w+\.\d+$/;

/** In `stateDir`; without it, in a folder that every host of this user shares. */
export function socketFolderOf(stateDir: string | undefined, workingDirectory: string, environment: NodeJS.ProcessEnv): string {
  if (stateDir !== undefined) return join(resolve(workingDirectory, stateDir), 'sockets');
  const { XDG_RUNTIME_DIR: runtime } = environment;
  // A relative path is invalid, and to be ignored (XDG Base Directory Specification).
  return join(runtime && isAbsolute(runtime) ? runtime : tmpdir(), `spearlet-${process.geteuid?.() ?? 'user'}`);
}

/** Touches the disk with the first path. */
export function createSocketFolder({ disk, processTable, folder, id }: SocketFolderDeps): SocketFolder {
  let prefix: string | null = null;
  let made = 0;

  const isStale = (name: string): boolean => {
    const [, boot, pidNamespace, pid, startTime] = NAME.exec(name) ?? [];
    if (boot === undefined || pidNamespace === undefined) return false;
    const state = stateOfHost({ boot, pidNamespace, pid: Number(pid), startTime: Number(startTime) }, processTable);
    return state === 'dead' || state === 'earlierBoot';
  };
  /** Without a process table it cannot be seen which hosts live: their sockets stay. */
  const begin = (): string => {
    const host = processTable.works ? identityOf(processTable) : { boot: '0', pidNamespace: '0', pid: processTable.self, startTime: 0 };
    if (processTable.works) for (const name of disk.names(folder).filter(isStale)) disk.remove(folder, name);
    const unique = id.replaceAll(/\W/g, '').slice(0, DIGITS);
    return [host.boot.slice(0, DIGITS), host.pidNamespace, host.pid, host.startTime, unique].join('.');
  };

  return {
    newPath() {
      try {
        // Each time: folders in /tmp may be removed while they are in use.
        disk.requirePrivate(folder);
        prefix ??= begin();
      } catch (cause) {
        throw new SpearletError('LISTEN_FAILED', `the folder '${folder}' cannot hold Unix sockets: ${reasonOf(cause)}`, {
          cause,
          hint: 'Remove it, or set `stateDir` to a folder of this user: spearlet makes a folder with mode 700 inside.',
        });
      }
      made += 1;
      return join(folder, `${prefix}.${made}`);
    },
  };
}
