// What a host writes down of the programs that it has started, so that the next one finds what a dead one has left: in
// `stateDir` one file a host, in it one slot a program. It knows no instance and signals nobody.
//
// The file's name says whose it is, before a byte is in it, and its first slot says the same: a file that was given another
// name since is not believed. A slot is overwritten in place and never crosses a page: it
// is whole whenever the host dies, the file stays as small as the host's busiest moment, and a full disk does not keep
// a program from being struck off. There is nothing secret in it.

import type { RunningProgram, Spawn } from '../process/program.ts';
import type { Identity, ProcessTable } from '../process/tree/proc-table.ts';
import type { Disk, OpenFile } from '../world/disk.ts';

/** A program that a host has started. */
export interface Started {
  readonly instanceId: string;
  /** Null: the host died in the midst of its spawn. Then there is its cookie. */
  readonly root: Identity | null;
}

/** What a host that is gone has left written. */
export interface Estate {
  readonly name: string;
  readonly host: Identity;
  readonly started: readonly Started[];
}

export interface Entry {
  started(root: Identity): void;
  /** Nothing of it lives any more. */
  gone(): void;
}

export interface Ledger {
  /** Comes before the spawn: what is not written down is not found. */
  begin(instanceId: string): Entry;
  /** The ledgers of hosts that are dead. Throws where the folder cannot be read. */
  estates(): Estate[];
  strikeOff(estate: Estate): void;
  /** Nothing is started any more. The file goes once nothing in it lives. */
  close(): void;
}

/** In bytes. An instance id has up to 265, a number up to 16. */
const SLOT = 512;
const NAME = /^host\.([\w-]+)\.(\d+)\.(\d+)\.(\d+)\.\w+$/;
const lineOf = (facts: object): string => `${JSON.stringify(facts).padEnd(SLOT - 1)}\n`;
const FREE = `${' '.repeat(SLOT - 1)}\n`;

/** Whether a file is the one that its host made under this name; one without a byte says nothing, and no harm. */
function isNamed(text: string, name: string): boolean {
  if (text === '') return true;
  try {
    return (JSON.parse(text.slice(0, text.indexOf('\n'))) as Record<string, unknown> | null)?.file === name;
  } catch {
    return false;
  }
}

function parseSlot(text: string): Started[] {
  try {
    const { instanceId, pid, startTime } = JSON.parse(text) as Record<string, unknown>;
    if (typeof instanceId !== 'string' || instanceId === '') return [];
    const known = Number.isSafeInteger(pid) && Number.isSafeInteger(startTime) && (pid as number) > 1;
    return [{ instanceId, root: known ? { pid: pid as number, startTime: startTime as number } : null }];
  } catch {
    // Free, or torn by whatever has befallen the disk.
    return [];
  }
}

/** Throws where the folder cannot be made or written to. `failed` hears of later trouble, once until it is over. */
export function openLedger(
  { disk, table, folder, id }: { disk: Disk; table: ProcessTable; folder: string; id: string },
  failed: (error: unknown) => void,
): Ledger {
  const self: Identity = { pid: table.self, startTime: table.entry(table.self)?.startTime ?? 0 };
  const [boot, space] = [table.bootId(), table.pidSpace()];
  const name = `host.${boot}.${space}.${self.pid}.${self.startTime}.${id.replaceAll(/\W/g, '').slice(0, 12)}`;
  const file: OpenFile = disk.create(folder, name);
  const free: number[] = [];
  /** The first is the name's. */
  let slots = 1;
  let live = 0;
  let closed = false;
  let troubled = false;

  const write = (slot: number, text: string): void => {
    if (closed) return;
    try {
      file.write(slot * SLOT, text);
      troubled = false;
    } catch (error) {
      // Programs run on: all that suffers is who comes after us.
      if (!troubled) failed(error);
      troubled = true;
    }
  };
  const put = (slot: number, facts: object): void => write(slot, lineOf(facts));
  const finish = (): void => {
    if (closed && live === 0) disk.remove(folder, name);
  };

  // That a file can be made does not say that it can be filled.
  try {
    file.write(0, lineOf({ file: name }));
  } catch (error) {
    file.close();
    disk.remove(folder, name);
    throw error;
  }

  return {
    begin(instanceId) {
      const slot = free.pop() ?? slots++;
      let isGone = false;
      live += 1;
      put(slot, { instanceId });
      return {
        started: root => put(slot, { instanceId, ...root }),
        gone() {
          if (isGone) return;
          isGone = true;
          live -= 1;
          write(slot, FREE);
          free.push(slot);
          finish();
        },
      };
    },
    estates() {
      return disk.names(folder).flatMap(other => {
        const [, bootId, spaceId, pid, startTime] = NAME.exec(other) ?? [];
        if (bootId === undefined || other === name) return [];
        const host: Identity = { pid: Number(pid), startTime: Number(startTime) };
        // Nothing outlives a boot.
        if (bootId !== boot) return [{ name: other, host, started: [] }];
        // In another pid namespace the numbers mean others, and who lives there cannot be seen.
        if (spaceId !== space) return [];
        const entry = table.entry(host.pid);
        if (entry?.living && entry.startTime === host.startTime) return [];
        const text = disk.read(folder, other);
        if (text === null || !isNamed(text, other)) return [];
        return [{ name: other, host, started: text.split('\n').slice(1).flatMap(parseSlot) }];
      });
    },
    strikeOff: estate => disk.remove(folder, estate.name),
    close() {
      if (closed) return;
      closed = true;
      file.close();
      finish();
    },
  };
}

/** Writes down what is started, and strikes it off when nothing of its tree lives any more. */
export const recordedSpawn =
  (spawn: Spawn, ledger: Ledger): Spawn =>
  (program, output, events) => {
    const entry = ledger.begin(program.environment.SPEARLET_INSTANCE_ID ?? '');
    try {
      const running = spawn(program, output, events);
      if (running.tree !== null) entry.started(running.tree.root);
      return Object.assign(Object.create(running) as RunningProgram, {
        async dispose() {
          await running.dispose();
          const ending = await running.tree?.end();
          // What is left is for the next host to try.
          if (ending === undefined || ending.left.length === 0) entry.gone();
        },
      });
    } catch (thrown) {
      entry.gone();
      throw thrown;
    }
  };
