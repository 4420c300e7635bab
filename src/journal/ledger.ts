// The record of the programs that a host has started, so that the next host can find what a dead one has left running. One
// file a host in `stateDir`, one slot a program. It knows no instance and sends no signal.
//
// The name of the file identifies its host, so the identity is on disk before the first byte is. The first slot repeats the
// name: a file that was renamed is not trusted. Slots are overwritten in place, and no slot crosses a page. So a slot is
// whole whenever the host dies, the file stays as small as the host's busiest moment, and a full disk does not prevent the
// removal of a program. The file contains no secret.
import type { Spawn } from '../process/program.ts';
import type { Identity, ProcessTable } from '../process/tree/proc-table.ts';
import type { Disk, OpenFile } from '../world/disk.ts';
import { identityOf, stateOfHost } from './host-identity.ts';

/** A program that a host has started. */
export interface StartedProgram {
  readonly instanceId: string;
  /** Null: the host died during the spawn. Then only the cookie identifies the program. */
  readonly root: Identity | null;
}

/** What a dead host has recorded. */
export interface StaleState {
  /** The name of its file. */
  readonly name: string;
  readonly host: Identity;
  readonly started: readonly StartedProgram[];
}

export interface LedgerEntry {
  started(root: Identity): void;
  /** No process of the program's tree lives any more. */
  gone(): void;
}

export interface Ledger {
  /** Must come before the spawn: a program without an entry is not found later. */
  begin(instanceId: string): LedgerEntry;
  /** The ledgers of dead hosts. Throws where the folder cannot be read. */
  readStale(): StaleState[];
  remove(stale: StaleState): void;
  /** No program is started any more. The file is removed once it has no entry left. */
  close(): void;
}

/** In bytes. An instance id has up to 265 bytes, a number up to 16. */
const SLOT = 512;
const NAME = /^host\.([\w-]+)\.(\d+)\.(\d+)\.(\d+)\.\w+$/;
const lineOf = (fields: object): string => `${JSON.stringify(fields).padEnd(SLOT - 1)}\n`;
const FREE = `${' '.repeat(SLOT - 1)}\n`;

/** Whether a host made the file under this name. An empty file names no program, so it is accepted. */
function isNamed(text: string, name: string): boolean {
  if (text === '') return true;
  try {
    return (JSON.parse(text.slice(0, text.indexOf('\n'))) as Record<string, unknown> | null)?.file === name;
  } catch {
    return false;
  }
}

function parseSlot(text: string): StartedProgram[] {
  try {
    const { instanceId, pid, startTime } = JSON.parse(text) as Record<string, unknown>;
    if (typeof instanceId !== 'string' || instanceId === '') return [];
    const known = Number.isSafeInteger(pid) && Number.isSafeInteger(startTime) && (pid as number) > 1;
    return [{ instanceId, root: known ? { pid: pid as number, startTime: startTime as number } : null }];
  } catch {
    // The slot is free, or the disk has damaged it.
    return [];
  }
}

/**
 * Throws where the folder cannot be made or written to. `failed` reports later errors: the first of each series, until a
 * write succeeds again.
 */
export function openLedger(
  { disk, processTable, folder, id }: { disk: Disk; processTable: ProcessTable; folder: string; id: string },
  failed: (error: unknown) => void,
): Ledger {
  const { boot, pidNamespace, pid, startTime } = identityOf(processTable);
  const name = `host.${boot}.${pidNamespace}.${pid}.${startTime}.${id.replaceAll(/\W/g, '').slice(0, 12)}`;
  const file: OpenFile = disk.create(folder, name);
  const free: number[] = [];
  /** The first slot holds the name. */
  let slots = 1;
  let live = 0;
  let closed = false;
  let isFailing = false;

  const write = (slot: number, text: string): void => {
    if (closed) return;
    try {
      file.write(slot * SLOT, text);
      isFailing = false;
    } catch (error) {
      // Programs run on. Only the next host is affected: it may not find them.
      if (!isFailing) failed(error);
      isFailing = true;
    }
  };
  const put = (slot: number, fields: object): void => write(slot, lineOf(fields));
  const finish = (): void => {
    if (closed && live === 0) disk.remove(folder, name);
  };

  // On a full disk a file can still be made, but not written to.
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
    readStale() {
      return disk.names(folder).flatMap(other => {
        const [, otherBoot, otherNamespace, otherPid, otherStart] = NAME.exec(other) ?? [];
        if (otherBoot === undefined || otherNamespace === undefined || other === name) return [];
        const host: Identity = { pid: Number(otherPid), startTime: Number(otherStart) };
        const state = stateOfHost({ ...host, boot: otherBoot, pidNamespace: otherNamespace }, processTable);
        if (state === 'earlierBoot') return [{ name: other, host, started: [] }];
        if (state !== 'dead') return [];
        const text = disk.read(folder, other);
        if (text === null || !isNamed(text, other)) return [];
        return [{ name: other, host, started: text.split('\n').slice(1).flatMap(parseSlot) }];
      });
    },
    remove: stale => disk.remove(folder, stale.name),
    close() {
      if (closed) return;
      closed = true;
      file.close();
      finish();
    },
  };
}

/** Records every program before it is started, and removes its entry when no process of its tree lives any more. */
export const recordedSpawn =
  (spawn: Spawn, ledger: Ledger): Spawn =>
  (program, output, events) => {
    const entry = ledger.begin(program.environment.SPEARLET_INSTANCE_ID ?? '');
    try {
      const running = spawn(program, output, events);
      if (running.tree !== null) entry.started(running.tree.root);
      return {
        ...running,
        async dispose() {
          await running.dispose();
          const ending = await running.tree?.end();
          // Where processes are left, the entry stays, so that the next host ends them.
          if (ending === undefined || ending.left.length === 0) entry.gone();
        },
      };
    } catch (thrown) {
      entry.gone();
      throw thrown;
    }
  };
