// Files of a folder that outlives the host, and the real disk. It does not know what is written there. Tests use a
// simulated disk.
import {
  closeSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

export interface OpenFile {
  /** Writes a text at an offset in bytes. The system has it when this returns, so a death of this process loses nothing. Throws. */
  write(offset: number, text: string): void;
  close(): void;
}

export interface Disk {
  /**
   * A new file that only this user can read, in a folder that is made (0700) where it is missing. Throws, also for a
   * folder in which another user could rename our files, since the name of a file identifies its host.
   */
  create(folder: string, name: string): OpenFile;
  /** The files of a folder. Throws. */
  names(folder: string): string[];
  /** Null: the file is gone, or another user could have written it. */
  read(folder: string, name: string): string | null;
  /**
   * Makes a folder that only this user can enter (0700), where it is missing. Throws for one that others may enter or that belongs to
   * another user, and for a symbolic link, whose target others could choose.
   */
  requirePrivate(folder: string): void;
  /** Never throws: a file that cannot be removed is read again next time, and does no harm. */
  remove(folder: string, name: string): void;
}

const OTHERS_MAY_WRITE = constants.S_IWGRP | constants.S_IWOTH;
const OTHERS_MAY_ENTER = constants.S_IRWXG | constants.S_IRWXO;

/** Not `recursive`: that never returns in /proc, where mkdir fails with ENOENT although the parent folder exists. */
function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT' || existsSync(dirname(folder))) throw error;
    makeFolder(dirname(folder));
    mkdirSync(folder, { mode: 0o700 });
  }
}

/**
 * Throws where another user could write to the folder. For a symbolic link, its target is checked. The folders above are not
 * checked: a user who may change them can replace this folder, but cannot put a file of this user into it.
 */
function requireOwnFolder(folder: string): void {
  const { uid, mode } = statSync(folder);
  const own = process.geteuid?.() ?? uid;
  if (uid !== own && uid !== 0) throw new Error(`the folder belongs to another user (uid ${uid}, this one is ${own})`);
  if ((mode & OTHERS_MAY_WRITE) !== 0) throw new Error(`others may write to the folder (mode ${(mode & 0o7777).toString(8)})`);
}

export const realDisk: Disk = {
  create(folder, name) {
    makeFolder(folder);
    requireOwnFolder(folder);
    const file = openSync(join(folder, name), 'wx', 0o600);
    return {
      write(offset, text) {
        const bytes = Buffer.from(text);
        if (writeSync(file, bytes, 0, bytes.length, offset) < bytes.length) throw new Error('ENOSPC: only a part was written');
      },
      close: () => closeSync(file),
    };
  },
  requirePrivate(folder) {
    makeFolder(folder);
    const { uid, mode } = lstatSync(folder);
    const own = process.geteuid?.() ?? uid;
    if ((mode & constants.S_IFMT) !== constants.S_IFDIR) throw new Error('it is no folder');
    if (uid !== own) throw new Error(`it belongs to another user (uid ${uid}, this one is ${own})`);
    if ((mode & OTHERS_MAY_ENTER) !== 0) throw new Error(`others may enter it (mode ${(mode & 0o7777).toString(8)})`);
  },
  names: folder => readdirSync(folder),
  read(folder, name) {
    const path = join(folder, name);
    try {
      const { uid, mode, ...stats } = lstatSync(path);
      if (uid !== (process.geteuid?.() ?? uid) || (mode & OTHERS_MAY_WRITE) !== 0) return null;
      return (mode & constants.S_IFMT) === constants.S_IFREG && stats.size > 0 ? readFileSync(path, 'latin1') : '';
    } catch {
      return null;
    }
  },
  remove(folder, name) {
    try {
      rmSync(join(folder, name), { force: true });
    } catch {
      // The file stays; see Disk.remove.
    }
  },
};
