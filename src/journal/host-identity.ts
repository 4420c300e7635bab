// Decides whether the host that made a file still lives, by the pid and the start time in the name of the file.
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
 * `earlierBoot`: no process of that host lives. `unknown`: that host is in another pid namespace, whose pids name other processes, so
 * this host cannot see whether it lives.
 */
export function stateOfHost(host: HostIdentity, table: HostTable): 'lives' | 'dead' | 'earlierBoot' | 'unknown' {
  if (!table.bootId().startsWith(host.boot)) return 'earlierBoot';
  if (table.pidNamespace() !== host.pidNamespace) return 'unknown';
  const entry = table.entry(host.pid);
  return entry?.living && entry.startTime === host.startTime ? 'lives' : 'dead';
}
