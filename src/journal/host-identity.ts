// Tells by a process id and a start time, as they stand in the name of a file, whether the host that has made the file still lives.
import type { Identity, ProcessTable } from '../process/tree/proc-table.ts';

export interface HostIdentity extends Identity {
  /** The id of the boot, or its beginning. */
  readonly boot: string;
  readonly pidNamespace: string;
}

export type HostTable = Pick<ProcessTable, 'self' | 'entry' | 'bootId' | 'pidNamespace'>;

export const identityOf = (table: HostTable): HostIdentity => ({
  boot: table.bootId(),
  pidNamespace: table.pidNamespace(),
  pid: table.self,
  startTime: table.entry(table.self)?.startTime ?? 0,
});

/**
 * `earlierBoot`: no process of that host lives. `unknown`: in another pid namespace the pids name other processes, and ours cannot
 * see which of them live.
 */
export function stateOfHost(host: HostIdentity, table: HostTable): 'lives' | 'dead' | 'earlierBoot' | 'unknown' {
  if (!table.bootId().startsWith(host.boot)) return 'earlierBoot';
  if (table.pidNamespace() !== host.pidNamespace) return 'unknown';
  const entry = table.entry(host.pid);
  return entry?.living && entry.startTime === host.startTime ? 'lives' : 'dead';
}
