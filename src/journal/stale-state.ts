// Ends the stale state of dead hosts: reads their ledgers in `stateDir` when a host is created, and ends those programs
// before the host starts any of its own. It does not know how a tree is ended.
import { reasonOf, SpearletError } from '../errors.ts';
import type { Logger } from '../option-schemas.ts';
import type { Identity, ProcessTable } from '../process/tree/proc-table.ts';
import type { Ending, Trees } from '../process/tree/tree.ts';
import type { Disk } from '../world/disk.ts';
import { type Ledger, openLedger, type StaleState } from './ledger.ts';

/** The stale state of dead hosts was cleaned up. */
export interface LeftoversEnded {
  /** The type of the event. */
  readonly type: 'leftovers.ended';
  /** It belongs to no instance of this host. */
  readonly instanceId: null;
  /** The number of dead hosts that had a ledger. */
  readonly hosts: number;
  /** The number of instances that they had not ended. */
  readonly instances: number;
  /** The number of processes that were found. */
  readonly processes: number;
  /** The number of those that still live: the next host tries again. */
  readonly left: number;
}

/** @internal */
export interface Cleanup {
  /** The ledger of this host; null where the system has no /proc. */
  readonly ledger: Ledger | null;
  /**
   * Resolves when the programs are ended, or SIGKILL has not worked in time. Null: there is no stale state. Never rejects.
   */
  readonly ended: Promise<void> | null;
}

/**
 * The part of the world that the cleanup needs.
 * @internal
 */
export interface CleanupWorld {
  readonly disk: Disk;
  readonly processTable: ProcessTable;
  readonly trees: Trees;
}

/** @internal */
export interface CleanupDeps extends CleanupWorld {
  readonly logger: Logger;
  /** An absolute path. */
  readonly folder: string;
  /** A name that no other ledger of this process has. */
  readonly id: string;
  notify(event: LeftoversEnded): void;
}

/** After an unfinished spawn the root is not known: then the cookie decides among processes that are no older than the host. */
const rootOf = (host: Identity, root: Identity | null): Identity => root ?? { pid: 0, startTime: host.startTime };

/**
 * Opens the ledger of this host, and begins to clean up the stale state. Throws STATE_UNWRITABLE.
 * @internal
 */
export function cleanUpStaleState({ disk, processTable, trees, logger, folder, id, notify }: CleanupDeps): Cleanup {
  if (!processTable.works) {
    logger.warn({ stateDir: folder }, 'there is no /proc here: no ledger is written to stateDir, and stale state is not ended');
    return { ledger: null, ended: null };
  }
  const endOne = async (stale: StaleState): Promise<{ found: number; endings: Ending[] }> => {
    const tracked = stale.started.map(({ instanceId, root }) => trees.trackStale(instanceId, rootOf(stale.host, root)));
    await Promise.all(tracked.map(tree => tree.scan()));
    const found = tracked.reduce((sum, { members }) => sum + members.size, 0);
    const endings = await Promise.all(tracked.map(tree => tree.end()));
    // While processes are left, the ledger stays: without it the next host could not find them.
    if (endings.every(({ left, complete }) => left.length === 0 && complete)) ledger.remove(stale);
    return { found, endings };
  };
  const endAll = async (states: readonly StaleState[]): Promise<void> => {
    const all = await Promise.all(states.map(endOne));
    const left = all.flatMap(({ endings }) => endings.flatMap(ending => ending.left));
    const counts = {
      hosts: states.length,
      instances: states.reduce((sum, { started }) => sum + started.length, 0),
      processes: all.reduce((sum, { found }) => sum + found, 0),
      left: left.length,
    };
    const pids = left.map(({ pid }) => pid);
    if (left.length > 0) logger.warn({ ...counts, pids }, 'some processes of dead hosts could not be ended');
    else logger.info(counts, 'the stale state of dead hosts was ended');
    notify({ type: 'leftovers.ended', instanceId: null, ...counts });
  };

  let opened: Ledger | null = null;
  let ledger: Ledger;
  let states: StaleState[];
  try {
    opened = openLedger({ disk, processTable, folder, id }, error =>
      logger.warn(
        { stateDir: folder, error: reasonOf(error) },
        'stateDir cannot be written to: programs that start now are not found if this host dies',
      ),
    );
    ledger = opened;
    states = ledger.readStale();
  } catch (thrown) {
    opened?.close();
    throw new SpearletError('STATE_UNWRITABLE', `stateDir '${folder}' cannot be used: ${reasonOf(thrown)}`, {
      cause: thrown,
      hint: 'Name a folder that this user can create, or that is its own and nobody else can write to (chmod 700).',
    });
  }
  const ended =
    states.length === 0
      ? null
      : endAll(states).catch((error: unknown) =>
          logger.warn({ error: reasonOf(error) }, 'the stale state of dead hosts could not be ended'),
        );
  return { ledger, ended };
}
