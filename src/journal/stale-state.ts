// What hosts that are dead have left running, by what they wrote down in `stateDir`: found when a new one begins, and
// ended before it starts anything. It does not know how a tree is ended.
import { reasonOf, SpearletError } from '../errors.ts';
import type { Logger } from '../options.ts';
import type { Identity, ProcessTable } from '../process/tree/proc-table.ts';
import type { Ending, Trees } from '../process/tree/tree.ts';
import type { Disk } from '../world/disk.ts';
import { type Estate, type Ledger, openLedger } from './ledger.ts';

export interface LeftoversEnded {
  readonly type: 'leftovers.ended';
  readonly instanceId: null;
  /** How many dead hosts had left something written, and how many instances they had not ended. */
  readonly hosts: number;
  readonly instances: number;
  /** How many processes of theirs were found and ended, and how many live still: the next host tries again. */
  readonly processes: number;
  readonly left: number;
}

export interface Leftovers {
  /** Where programs are written down; null where the system shows no processes. */
  readonly ledger: Ledger | null;
  /** Resolves when they are ended, or after what SIGKILL may take; null: there are none. Never rejects. */
  readonly ended: Promise<void> | null;
}

/** What of the world it needs. */
export interface LeftoversWorld {
  readonly disk: Disk;
  readonly table: ProcessTable;
  readonly trees: Trees;
}

export interface LeftoversDeps extends LeftoversWorld {
  readonly logger: Logger;
  /** An absolute path. */
  readonly folder: string;
  /** A name that no other ledger of this process has. */
  readonly id: string;
  tell(event: LeftoversEnded): void;
}

/** A spawn that was never finished: only the cookie tells, of whoever is no older than the host. */
const rootOf = ({ host, started }: { host: Identity; started: Identity | null }): Identity =>
  started ?? { pid: 0, startTime: host.startTime };

/** Throws STATE_UNWRITABLE. */
export function createLeftovers({ disk, table, trees, logger, folder, id, tell }: LeftoversDeps): Leftovers {
  if (!table.works) {
    logger.warn({ stateDir: folder }, 'there is no /proc here: nothing is kept in stateDir, and nothing found by it');
    return { ledger: null, ended: null };
  }
  const endOne = async (estate: Estate): Promise<{ found: number; endings: Ending[] }> => {
    const mine = estate.started.map(({ instanceId, root }) => trees.trackStale(instanceId, rootOf({ host: estate.host, started: root })));
    await Promise.all(mine.map(tree => tree.scan()));
    const found = mine.reduce((sum, { members }) => sum + members.size, 0);
    const endings = await Promise.all(mine.map(tree => tree.end()));
    // What it has kept is the only trace of what lives still.
    if (endings.every(({ left, complete }) => left.length === 0 && complete)) ledger.strikeOff(estate);
    return { found, endings };
  };
  const endAll = async (estates: readonly Estate[]): Promise<void> => {
    const all = await Promise.all(estates.map(endOne));
    const left = all.flatMap(({ endings }) => endings.flatMap(ending => ending.left));
    const counts = {
      hosts: estates.length,
      instances: estates.reduce((sum, { started }) => sum + started.length, 0),
      processes: all.reduce((sum, { found }) => sum + found, 0),
      left: left.length,
    };
    const pids = left.map(({ pid }) => pid);
    if (left.length > 0) logger.warn({ ...counts, pids }, 'some of what a dead host has left could not be ended');
    else logger.info(counts, 'what a dead host has left was ended');
    tell({ type: 'leftovers.ended', instanceId: null, ...counts });
  };

  let opened: Ledger | null = null;
  let ledger: Ledger;
  let estates: Estate[];
  try {
    opened = openLedger({ disk, table, folder, id }, error =>
      logger.warn(
        { stateDir: folder, error: reasonOf(error) },
        'stateDir cannot be written to: what is started now is not found if this host dies',
      ),
    );
    ledger = opened;
    estates = ledger.estates();
  } catch (thrown) {
    opened?.close();
    throw new SpearletError('STATE_UNWRITABLE', `stateDir '${folder}' cannot be used: ${reasonOf(thrown)}`, {
      cause: thrown,
      hint: 'Name a folder that this user can create, or that is its own and nobody else can write to (chmod 700).',
    });
  }
  const ended =
    estates.length === 0
      ? null
      : endAll(estates).catch((error: unknown) => logger.warn({ error: reasonOf(error) }, 'what a dead host has left could not be ended'));
  return { ledger, ended };
}
