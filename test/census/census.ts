// The census around every test: a process, socket, listener, file or handle that exists after the test and not before fails it.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface Census {
  readonly processes: string[];
  readonly sockets: ReadonlySet<string>;
  readonly files: number;
  readonly resources: Record<string, number>;
}

const KINDS = ['Timeout', 'TCPServerWrap', 'TCPSocketWrap', 'ProcessWrap', 'PipeWrap', 'TCPConnectWrap'] as const;

/** In the flags of `/proc/<pid>/stat`: PF_KTHREAD. A kernel thread has no environment, and most processes are kernel threads. */
const KERNEL_THREAD = 0x00200000;

/** The pids of the children of this process. Null: the system does not list them. */
function children(): number[] | null {
  try {
    return readdirSync('/proc/self/task').flatMap(task =>
      readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
    );
  } catch {
    return null;
  }
}

/** The children of this process, and every process with the cookie of one of our instances. */
function processes(cookies: ReadonlySet<string>): string[] {
  const found: string[] = [];
  // A test without an instance has only children: all processes of the system take ten times as long.
  const pids =
    (cookies.size === 0 ? children() : null) ??
    readdirSync('/proc')
      .filter(name => /^\d+$/.test(name))
      .map(Number);
  for (const pid of pids) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const [state, parent, , , , , flags] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (state === 'Z' || (Number(flags) & KERNEL_THREAD) !== 0 || pid === process.pid) continue;
      const isChild = Number(parent) === process.pid;
      if (!isChild && cookies.size === 0) continue;
      const ids = readFileSync(`/proc/${pid}/environ`, 'latin1').matchAll(/(?:^|\0)SPEARLET_(?:INSTANCE_ID|OUTER_INSTANCE_IDS)=([^\0]*)/g);
      const isOurs = [...ids].some(([, words]) => words!.split(' ').some(id => cookies.has(id)));
      if (isOurs || isChild) found.push(`${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')}`);
    } catch {
      // The process has ended meanwhile.
    }
  }
  return found;
}

export function take(cookies: ReadonlySet<string>): Census {
  const links = readdirSync('/proc/self/fd').flatMap(fd => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return [];
    }
  });
  const sockets = new Set(links.flatMap(link => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []));
  const resources: Record<string, number> = {};
  for (const listed of process.getActiveResourcesInfo()) {
    // A timer of the real clock that is due is an immediate until it has run.
    const kind = listed === 'Immediate' ? 'Timeout' : listed;
    if ((KINDS as readonly string[]).includes(kind)) resources[kind] = (resources[kind] ?? 0) + 1;
  }
  return { processes: processes(cookies), sockets, files: links.length, resources };
}

/** How many of these sockets listen. The system walks a table of all sockets for it, which takes 10 ms. */
function listening(sockets: readonly string[]): number {
  if (sockets.length === 0) return 0;
  return ['tcp', 'tcp6']
    .flatMap(table => readFileSync(`/proc/net/${table}`, 'utf8').split('\n').slice(1))
    .filter(line => {
      const columns = line.trim().split(/\s+/);
      return columns[3] === '0A' && sockets.includes(columns[9] ?? '');
    }).length;
}

export const cookies = new Set<string>();
/** Registers an instance, so that the processes of its tree are found by their cookie. */
export const remember = (instanceId: string): void => void cookies.add(instanceId);

export const endings: (() => unknown)[] = [];
/** Runs `ending` at the end of the test, before the census; the last one registered runs first. */
export const atEnd = (ending: () => unknown): void => void endings.unshift(ending);

export function surplus(before: Census, after: Census): string[] {
  const left = after.processes.filter(each => !before.processes.includes(each)).map(each => `process ${each}`);
  const listeners = listening([...after.sockets].filter(each => !before.sockets.has(each)));
  if (listeners > 0) left.push(`${listeners} listeners`);
  if (after.sockets.size > before.sockets.size) left.push(`${after.sockets.size - before.sockets.size} sockets`);
  if (after.files > before.files) left.push(`${after.files - before.files} file descriptors`);
  for (const kind of KINDS) {
    const more = (after.resources[kind] ?? 0) - (before.resources[kind] ?? 0);
    if (more > 0) left.push(`${more} × ${kind}`);
  }
  return left;
}
