// The programs of this process and their trees. All spearlets of the process share one process table, one scanner and one
// memory sampler, so that they share scans. It knows no instance.
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
  /** How a tree is found without a namespace: where the process table cannot be read, only by its group. */
  readonly tree: 'cookie' | 'group';
  /** Whether namespaces work here. The first call tries one, which takes about 50 ms. Never rejects. */
  namespace(environment: Readonly<Record<string, string>>): Promise<Namespace>;
}

export function createPrograms(processTable: ProcessTable, clock: Clock): Programs {
  const trees = createTrees(processTable, clock);
  let probed: Promise<Namespace> | null = null;
  return {
    spawn: createSpawn(trees, clock),
    trees,
    memory: createMemory(processTable, trees.scanner, clock),
    tree: processTable.works ? 'cookie' : 'group',
    namespace(environment) {
      probed ??= probeNamespace(spawnProgram, clock, environment);
      return probed;
    },
  };
}
