// The programs of a host and all that came of them: one table, one scanner and one sampler for every spearlet of the
// process, so that they share their looks. Knows no instance.
import type { Clock } from '../world/clock.ts';
import { type Namespace, probeNamespace } from './containment/namespace.ts';
import { createMemory, type Memory } from './memory.ts';
import type { Spawn } from './program.ts';
import { createSpawn, spawnProgram } from './spawn.ts';
import type { ProcessTable } from './tree/proc-table.ts';
import { createTrees, type Trees } from './tree/tree.ts';

export interface Programs {
  readonly spawn: Spawn;
  readonly trees: Trees;
  readonly memory: Memory;
  /** What holds a tree without a namespace: where the table of processes cannot be read, its group is all there is. */
  readonly tree: 'cookie' | 'group';
  /** Whether a namespace can be had: tried at the first call, which takes some 50 ms. Never rejects. */
  namespace(environment: Readonly<Record<string, string>>): Promise<Namespace>;
}

export function createPrograms(table: ProcessTable, clock: Clock): Programs {
  const trees = createTrees(table, clock);
  let probed: Promise<Namespace> | null = null;
  return {
    spawn: createSpawn(trees, clock),
    trees,
    memory: createMemory(table, trees.scanner, clock),
    tree: table.works ? 'cookie' : 'group',
    namespace(environment) {
      probed ??= probeNamespace(spawnProgram, clock, environment);
      return probed;
    },
  };
}
