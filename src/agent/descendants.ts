// Who descends from a process, by the parents that /proc names. Where there is no /proc nobody is found.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** The process itself and all its descendants, children before grandchildren. */
export function treeOf(root: number): number[] {
  const children = new Map<number, number[]>();
  let pids: string[] = [];
  try {
    // In a pid namespace without a /proc of its own the numbers there are not ours.
    if (readlinkSync('/proc/self') !== String(process.pid)) return [root];
    pids = readdirSync('/proc').filter(name => /^\d+$/.test(name));
  } catch {
    return [root];
  }
  for (const pid of pids) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      // pid (name, which may hold anything) state ppid …
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 4).split(' ', 1)[0]);
      children.set(parent, [...(children.get(parent) ?? []), Number(pid)]);
    } catch {
      // Gone meanwhile.
    }
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
