// Who descends from a process, by the parents that /proc names, and who belongs to its instance, by the id in their
// environment. Where there is no /proc nobody is found.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** How often one looks for who was born meanwhile; each look takes about 20 µs a process. */
const LOOKS = 20;

/** Null: there is no /proc; or it is that of another pid namespace, and the numbers there are not ours. */
function everybody(): number[] | null {
  try {
    if (readlinkSync('/proc/self') !== String(process.pid)) return null;
    return readdirSync('/proc').flatMap(name => (/^\d+$/.test(name) ? [Number(name)] : []));
  } catch {
    return null;
  }
}

/** The fields after its name, which may hold anything: state, parent, …; the 20th is its start time. */
function statOf(pid: number): string[] | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ', 20);
  } catch {
    // Gone meanwhile.
    return null;
  }
}

function isOf(instanceId: string, pid: number): boolean {
  try {
    return `\0${readFileSync(`/proc/${pid}/environ`, 'latin1')}`.includes(`\0SPEARLET_INSTANCE_ID=${instanceId}\0`);
  } catch {
    // Gone, or not for us to read.
    return false;
  }
}

/** The process itself and all its descendants, children before grandchildren. */
export function treeOf(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const pid of everybody() ?? []) {
    const parent = Number(statOf(pid)?.[1] ?? 0);
    children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const tree = [root];
  for (let i = 0; i < tree.length; i += 1) tree.push(...(children.get(tree[i]!) ?? []));
  return tree;
}

/** Signals the whole tree; who is gone already is no error. */
export function signalTree(root: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  for (const pid of treeOf(root)) {
    try {
      process.kill(pid, signal);
    } catch {
      // Gone meanwhile.
    }
  }
}

/**
 * Kills what has come of this agent, wherever it went, blocking: for an agent whose host is gone, which would do it
 * otherwise. Nothing that is older than the agent came of it, whatever its environment says.
 */
export function endInstance(instanceId: string): void {
  const since = Number(statOf(process.pid)?.[19] ?? Number.POSITIVE_INFINITY);
  for (let looks = 0; looks < LOOKS; looks += 1) {
    const found = (everybody() ?? []).filter(
      pid => pid !== process.pid && Number(statOf(pid)?.[19] ?? -1) >= since && isOf(instanceId, pid),
    );
    if (found.length === 0) return;
    for (const pid of found) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // Gone meanwhile.
      }
    }
  }
}
