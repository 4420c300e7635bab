// The folder in which a host keeps what outlives it, and the real disk. It knows nothing of what is written there.
// One of the files that touch the world: a simulated one can take its place.
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
  /** Puts a text at an offset in bytes. In the system's hands when it returns, so that our own death loses nothing. Throws. */
  write(offset: number, text: string): void;
  close(): void;
}

export interface Disk {
  /**
   * A new file that only this user can read, in a folder that is made (0700) where it is missing. Throws, also for a
   * folder in which somebody else could give our files other names: by its name a file says whose it is.
   */
  create(folder: string, name: string): OpenFile;
  /** Throws. */
  names(folder: string): string[];
  /** Null: it is gone, or somebody else could have written it. */
  read(folder: string, name: string): string | null;
  /** That it is gone already is no error, and that it cannot be removed is none that matters. */
  remove(folder: string, name: string): void;
}

const OTHERS_MAY_WRITE = constants.S_IWGRP | constants.S_IWOTH;

/** Not `recursive`: that never returns where a folder says that it does not exist when one is made in it, as /proc does. */
function make(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT' || existsSync(dirname(folder))) throw error;
    make(dirname(folder));
    mkdirSync(folder, { mode: 0o700 });
  }
}

/**
 * A symbolic link is followed: what it leads to is looked at. The folders above are not: whoever may change those can put
 * another folder in this one's place, but no file in it that is ours.
 */
function insistOnOurs(folder: string): void {
  const { uid, mode } = statSync(folder);
  const own = process.geteuid?.() ?? uid;
  if (uid !== own && uid !== 0) throw new Error(`the folder belongs to another user (uid ${uid}, this one is ${own})`);
  if ((mode & OTHERS_MAY_WRITE) !== 0) throw new Error(`others may write to the folder (mode ${(mode & 0o7777).toString(8)})`);
}

export const realDisk: Disk = {
  create(folder, name) {
    make(folder);
    insistOnOurs(folder);
    const file = openSync(join(folder, name), 'wx', 0o600);
    return {
      write(offset, text) {
        const bytes = Buffer.from(text);
        if (writeSync(file, bytes, 0, bytes.length, offset) < bytes.length) throw new Error('ENOSPC: it was written in part');
      },
      close: () => closeSync(file),
    };
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
      // It is read again next time, and says nothing new.
    }
  },
};
