// The census around every test: a process, socket, listener, file or handle that exists after the test and not before fails it.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect } from 'vitest';

interface Census {
  readonly processes: string[];
  readonly listeners: number;
  readonly sockets: number;
  readonly files: number;
  readonly resources: Record<string, number>;
}

const KINDS = ['Timeout', 'TCPServerWrap', 'TCPSocketWrap', 'ProcessWrap', 'PipeWrap', 'TCPConnectWrap'] as const;

/** The children of this process, and every process with the cookie of one of our instances. */
function processes(cookies: ReadonlySet<string>): string[] {
  const found: string[] = [];
  const parents = new Map<number, number>();
  const pids = readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number);
  for (const pid of pids) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      parents.set(pid, Number(stat.slice(stat.lastIndexOf(')') + 4).split(' ')[0]));
      if (stat.includes(') Z ')) continue;
      if (parents.get(pid) !== process.pid && cookies.size === 0) continue;
      const ids = readFileSync(`/proc/${pid}/environ`, 'latin1').matchAll(/(?:^|\0)SPEARLET_(?:INSTANCE_ID|OUTER_INSTANCE_IDS)=([^\0]*)/g);
      const isOurs = [...ids].some(([, words]) => words!.split(' ').some(id => cookies.has(id)));
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      if (pid !== process.pid && (isOurs || parents.get(pid) === process.pid)) found.push(`${pid} ${command}`);
    } catch {
      // The process has ended meanwhile.
    }
  }
  return found;
}

function take(cookies: ReadonlySet<string>): Census {
  const links = readdirSync('/proc/self/fd').flatMap(fd => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return [];
    }
  });
  const sockets = new Set(links.flatMap(link => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []));
  const listeners = ['tcp', 'tcp6']
    .flatMap(table => readFileSync(`/proc/net/${table}`, 'utf8').split('\n').slice(1))
    .filter(line => {
      const columns = line.trim().split(/\s+/);
      return columns[3] === '0A' && sockets.has(columns[9] ?? '');
    });
  const resources: Record<string, number> = {};
  for (const listed of process.getActiveResourcesInfo()) {
    // A timer of the real clock that is due is an immediate until it has run.
    const kind = listed === 'Immediate' ? 'Timeout' : listed;
    if ((KINDS as readonly string[]).includes(kind)) resources[kind] = (resources[kind] ?? 0) + 1;
  }
  return { processes: processes(cookies), listeners: listeners.length, sockets: sockets.size, files: links.length, resources };
}

const cookies = new Set<string>();
/** Registers an instance, so that the processes of its tree are found by their cookie. */
export const remember = (instanceId: string): void => void cookies.add(instanceId);

const endings: (() => unknown)[] = [];
/** Runs `ending` at the end of the test, before the census; the last one registered runs first. */
export const atEnd = (ending: () => unknown): void => void endings.unshift(ending);

const kept: Record<string, number> = {};
/** Node never closes the pipes of a spawn that failed with EMFILE: the census expects so many more handles. */
export const nodeKeeps = (kind: (typeof KINDS)[number], count: number): void => void (kept[kind] = (kept[kind] ?? 0) + count);

function surplus(before: Census, after: Census): string[] {
  const left = after.processes.filter(each => !before.processes.includes(each)).map(each => `process ${each}`);
  if (after.listeners > before.listeners) left.push(`${after.listeners - before.listeners} listeners`);
  if (after.sockets > before.sockets) left.push(`${after.sockets - before.sockets} sockets`);
  if (after.files > before.files) left.push(`${after.files - before.files} file descriptors`);
  for (const kind of KINDS) {
    const more = (after.resources[kind] ?? 0) - (before.resources[kind] ?? 0) - (kept[kind] ?? 0);
    if (more > 0) left.push(`${more} × ${kind}`);
  }
  return left;
}

const collect = (type: 'minor' | 'major'): void => (globalThis as { gc?: (options: { type: 'minor' | 'major' }) => void }).gc?.({ type });

let before: Census;
beforeEach(() => {
  before = take(cookies);
  for (const kind of KINDS) kept[kind] = 0;
});

afterEach(async () => {
  for (const ending of endings.splice(0)) await ending();
  let left = surplus(before, take(cookies));
  // The system may close things a little later, and Node lists closed handles until they are collected. A real leftover stays. Most
  // handles are young: a minor collection finds them, and costs a tenth of a major one.
  for (let tries = 0; left.length > 0 && tries < 100; tries += 1) {
    await sleep(tries === 0 ? 0 : 20);
    collect(tries < 2 ? 'minor' : 'major');
    left = surplus(before, take(cookies));
  }
  expect(left, 'left behind by this test').toEqual([]);
});
