// Hosts that are killed, and how the next host with the same stateDir cleans up their stale state.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { createSpearlet, type SpearletError, type SpearletEvent } from '../../src/index.ts';
import { openLedger } from '../../src/journal/ledger.ts';
import { cleanUpStaleState } from '../../src/journal/stale-state.ts';
import { processTable } from '../../src/process/tree/proc-table.ts';
import { createTrees } from '../../src/process/tree/tree.ts';
import { realClock } from '../../src/world/clock.ts';
import { type Disk, realDisk } from '../../src/world/disk.ts';
import { atEnd, remember } from '../census/census.ts';
import { agentFile, everyday, openSpearlet, seen, until } from './world.ts';

interface Left {
  readonly id: string;
  readonly shape: string;
  readonly pid: number;
  readonly leaves: readonly number[];
}

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'spearlet-state-'));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A host of so many agents that stand, with these trees below them. */
async function openHost(stateDir: string, count: number, ...shapes: string[]): Promise<{ host: ChildProcess; left: readonly Left[] }> {
  const host = spawn(process.execPath, [agentFile('leaving-host.js'), 'default', stateDir, String(count), ...shapes], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  atEnd(() => void host.kill('SIGKILL'));
  let text = '';
  for await (const chunk of host.stdout!) {
    text += chunk;
    if (text.includes('\n')) break;
  }
  const left = JSON.parse(text) as Left[];
  for (const { id } of left) remember(id);
  return { host, left };
}

const kill = async (host: ChildProcess): Promise<void> => {
  const gone = once(host, 'exit');
  host.kill('SIGKILL');
  await gone;
};
const lives = (pid: number): boolean => processTable.entry(pid)?.living ?? false;
const endOf = (spearlet: { events$: ReturnType<typeof openSpearlet>['events$'] }): Promise<SpearletEvent> =>
  seen(spearlet.events$, event => event.type === 'leftovers.ended');

test('the programs of a killed host are ended before the next host starts any, and its ledger is removed', async () => {
  const stateDir = join(newFolder(), 'made', 'for', 'it');
  const { host, left } = await openHost(stateDir, 3, 'stubborn', 'daemon', 'double-fork-daemon');
  expect(left.flatMap(({ pid, leaves }) => [pid, ...leaves]).filter(lives)).toHaveLength(5);
  expect(statSync(stateDir).mode & 0o777).toBe(0o700);
  const [name] = readdirSync(stateDir);
  const written = readFileSync(join(stateDir, name!), 'utf8');
  for (const { id, pid } of left) expect(written).toContain(JSON.stringify({ instanceId: id, pid }).slice(0, -1));
  const words = new Set(written.match(/[a-z]\w+(?=":)/gi));
  expect([...words].sort()).toEqual(['file', 'instanceId', 'pid', 'startTime']);
  await kill(host);

  const next = openSpearlet({ stateDir });
  const told = endOf(next);
  const instance = await next.start(everyday);
  expect(left.flatMap(({ pid, leaves }) => [pid, ...leaves]).filter(lives)).toEqual([]);
  const event = await told;
  expect(next.events[0]).toBe(event);
  expect(event).toMatchObject({ type: 'leftovers.ended', instanceId: null, hosts: 1, instances: 3, left: 0 });
  expect((event as { processes: number }).processes).toBeGreaterThanOrEqual(1);
  expect(next.log.join()).toContain('the stale state of dead hosts was ended');
  expect(readdirSync(stateDir)).toHaveLength(1);
  await instance.stop();
  await next.stop();
  expect(readdirSync(stateDir)).toEqual([]);
});

test('an immediate stop() waits until the stale state is ended, and `leftovers.ended` comes before it resolves', async () => {
  const stateDir = newFolder();
  const { host, left } = await openHost(stateDir, 2, 'daemon');
  await kill(host);
  const next = openSpearlet({ stateDir });
  await next.stop();
  expect(left.flatMap(({ pid, leaves }) => [pid, ...leaves]).filter(lives)).toEqual([]);
  expect(next.events.map(({ type }) => type)).toContain('leftovers.ended');
  expect(readdirSync(stateDir)).toEqual([]);
});

test('hosts that share a folder do not touch a living host, nor its programs', async () => {
  const stateDir = newFolder();
  const { host, left } = await openHost(stateDir, 1, 'daemon');
  const other = openSpearlet({ stateDir });
  const third = openSpearlet({ stateDir });
  await other.start(everyday);
  await third.start(everyday);
  await third.stop();
  expect(other.events.concat(third.events).filter(({ type }) => type === 'leftovers.ended')).toEqual([]);
  expect(left.flatMap(({ pid, leaves }) => [pid, ...leaves]).filter(lives)).toHaveLength(2);
  expect(readdirSync(stateDir)).toHaveLength(2);
  await other.stop();
  await kill(host);
  const last = openSpearlet({ stateDir });
  await endOf(last);
  await last.stop();
  expect(readdirSync(stateDir)).toEqual([]);
});

function link(folder: string): string {
  const path = join(newFolder(), 'link');
  symlinkSync(folder, path);
  return path;
}

/** Writes a ledger as a dead host would have left it. */
function write(folder: string, boot: string, lines: readonly string[], host = { pid: 4_000_000, startTime: 1 }): string {
  const name = `host.${boot}.${processTable.pidNamespace()}.${host.pid}.${host.startTime}.abc`;
  writeFileSync(join(folder, name), [slot({ file: name }), ...lines].join(''), { mode: 0o600 });
  return join(folder, name);
}
const slot = (facts: object): string => `${JSON.stringify(facts).padEnd(511)}\n`;

test('a reused pid is not signalled: a recorded pid counts only with its start time, and in this boot', async () => {
  const stateDir = newFolder();
  const stranger = spawn('sleep', ['100'], { stdio: 'ignore', detached: true });
  atEnd(() => void stranger.kill('SIGKILL'));
  const { startTime } = processTable.entry(stranger.pid!)!;
  write(stateDir, processTable.bootId(), [slot({ instanceId: 'gone-1', pid: stranger.pid, startTime: startTime - 1 })]);
  write(stateDir, 'another-boot', [slot({ instanceId: 'gone-2', pid: stranger.pid, startTime })]);
  const spearlet = openSpearlet({ stateDir });
  expect(await endOf(spearlet)).toMatchObject({ hosts: 2, instances: 1, processes: 0, left: 0 });
  expect(lives(stranger.pid!)).toBe(true);
  await spearlet.stop();
  expect(readdirSync(stateDir)).toEqual([]);
});

test('torn, foreign and forged slots are ignored, and the others are read', async () => {
  const stateDir = newFolder();
  const cookie = `left-${process.pid}`;
  remember(cookie);
  const program = spawn('sleep', ['100'], { stdio: 'ignore', detached: true, env: { ...process.env, SPEARLET_INSTANCE_ID: cookie } });
  const gone = once(program, 'exit');
  const bystander = spawn('sleep', ['100'], { stdio: 'ignore', detached: true });
  atEnd(() => void bystander.kill('SIGKILL'));
  const { pid, startTime } = processTable.entry(bystander.pid!)!;
  const boot = processTable.bootId();
  // A host that was killed between the two writes of a spawn; and a slot that is cut off.
  const begun = [
    slot({ instanceId: 'x' }).slice(0, 100),
    '\n',
    '\0'.repeat(511),
    '\n',
    slot({ instanceId: cookie }),
    '{"instanceId":"torn',
  ];
  write(stateDir, boot, begun);
  const forged = write(stateDir, boot, [slot({ instanceId: 'forged', pid, startTime })], { pid: 4_000_001, startTime: 1 });
  chmodSync(forged, 0o666);
  writeFileSync(join(stateDir, 'notes.txt'), 'mine');
  const spearlet = openSpearlet({ stateDir });
  expect(await endOf(spearlet)).toMatchObject({ hosts: 1, instances: 2, processes: 1, left: 0 });
  await gone;
  expect(lives(pid)).toBe(true);
  await spearlet.stop();
  expect(readdirSync(stateDir).sort()).toEqual([forged.slice(stateDir.length + 1), 'notes.txt'].sort());
});

test('a folder that cannot be used fails at once, and no descriptor is left open', () => {
  const folder = newFolder();
  writeFileSync(join(folder, 'file'), '');
  for (const stateDir of [join(folder, 'file'), join(folder, 'file', 'below'), '/proc/nowhere']) {
    let error: SpearletError | null = null;
    try {
      createSpearlet({ logger: false, stateDir });
    } catch (thrown) {
      error = thrown as SpearletError;
    }
    expect({ stateDir, code: error?.code, named: error?.message.includes(stateDir) }).toEqual({
      stateDir,
      code: 'STATE_UNWRITABLE',
      named: true,
    });
  }
});

test.each([
  ['that others may write to', 0o777],
  ['that its group may write to', 0o770],
  ['that others may write to, sticky', 0o1777],
])('a folder %s is refused: what stands in it may be moved by them', (_, mode) => {
  const folder = newFolder();
  chmodSync(folder, mode);
  for (const stateDir of [folder, link(folder)]) {
    let error: SpearletError | null = null;
    try {
      createSpearlet({ logger: false, stateDir });
    } catch (thrown) {
      error = thrown as SpearletError;
    }
    expect(error).toMatchObject({ code: 'STATE_UNWRITABLE', message: expect.stringContaining('others may write') });
    expect(error!.hint).toContain('chmod');
  }
  expect(readdirSync(folder)).toEqual([]);
});

test.skipIf(process.getuid?.() !== 0)('a folder of another user is refused, whoever may write to it', () => {
  const folder = newFolder();
  chownSync(folder, 12_345, 12_345);
  expect(() => createSpearlet({ logger: false, stateDir: folder })).toThrow(expect.objectContaining({ code: 'STATE_UNWRITABLE' }));
  expect(readdirSync(folder)).toEqual([]);
});

test('a ledger of a living host that has got the name of a dead one is not trusted', async () => {
  const stateDir = newFolder();
  const { host, left } = await openHost(stateDir, 1, 'daemon');
  const pids = left.flatMap(({ pid, leaves }) => [pid, ...leaves]);
  const [name] = readdirSync(stateDir);
  const forged = name!.replace(`.${host.pid}.`, '.4000000.');
  renameSync(join(stateDir, name!), join(stateDir, forged));
  const next = openSpearlet({ stateDir });
  await next.start(everyday);
  expect(pids.filter(lives)).toEqual(pids);
  await next.stop();
  expect(next.events.filter(({ type }) => type === 'leftovers.ended')).toEqual([]);
  expect(readdirSync(stateDir)).toEqual([forged]);
  await kill(host);
  const stray = createTrees(processTable, realClock);
  await Promise.all(left.map(({ id, pid }) => stray.trackStale(id, processTable.entry(pid) ?? { pid: 0, startTime: 0 }).end()));
});

test('a start that cannot read its folder leaves neither a file nor a descriptor', () => {
  const folder = newFolder();
  const names = (): string[] => {
    throw Object.assign(new Error('EACCES: permission denied, scandir'), { code: 'EACCES' });
  };
  const logger = { info() {}, warn() {} } as never;
  const world = { disk: { ...realDisk, names }, processTable, trees: createTrees(processTable, realClock) };
  const open = () => readdirSync('/proc/self/fd').length;
  const before = open();
  expect(() => cleanUpStaleState({ ...world, logger, folder, id: 'a', notify() {} })).toThrow(
    expect.objectContaining({ code: 'STATE_UNWRITABLE', cause: expect.objectContaining({ code: 'EACCES' }) }),
  );
  expect(open()).toBe(before);
  expect(readdirSync(folder)).toEqual([]);
});

test('a host that is created when no file descriptor is left works later; one with a stateDir fails as such', async () => {
  const folder = newFolder();
  const script = `ulimit -n 400; exec "${process.execPath}" "${agentFile('emfile-create.js')}" "${folder}"`;
  const { stdout } = await promisify(execFile)('sh', ['-c', script]);
  expect(JSON.parse(stdout)).toEqual(['created', ['STATE_UNWRITABLE', 'EMFILE'], 'ready']);
  expect(readdirSync(folder)).toEqual([]);
});

test('a full disk harms no program: it is logged once, and again after a write has succeeded', () => {
  let full = false;
  const disk: Disk = {
    ...realDisk,
    create(folder, name) {
      const file = realDisk.create(folder, name);
      return {
        ...file,
        write(offset, text) {
          if (full) throw new Error('ENOSPC: no space left on device');
          file.write(offset, text);
        },
      };
    },
  };
  const folder = newFolder();
  const log: string[] = [];
  const logger = { info() {}, warn: (_: object, message: string) => log.push(message) } as never;
  const world = { disk, processTable, trees: createTrees(processTable, realClock) };
  const { ledger } = cleanUpStaleState({ ...world, logger, folder, id: 'a', notify() {} });
  const first = ledger!.begin('one');
  full = true;
  first.started({ pid: 2, startTime: 3 });
  const second = ledger!.begin('two');
  expect(log).toHaveLength(1);
  full = false;
  second.gone();
  full = true;
  first.gone();
  expect(log).toHaveLength(2);
  ledger!.close();
  expect(readdirSync(folder)).toEqual([]);
});

test('slots are reused: the ledger only grows to the most programs at once', () => {
  const folder = newFolder();
  const ledger = openLedger({ disk: realDisk, processTable, folder, id: 'a' }, () => {});
  for (let n = 0; n < 1_000; n += 1) {
    const entries = ['a', 'b', 'c'].map(letter => ledger.begin(`${letter}-${n}`));
    for (const entry of entries) entry.started({ pid: 2 + n, startTime: n });
    for (const entry of entries) entry.gone();
  }
  const kept = ledger.begin('x'.repeat(265));
  kept.started({ pid: 2 ** 31, startTime: 2 ** 53 - 1 });
  const [name] = readdirSync(folder);
  expect(statSync(join(folder, name!)).size).toBe(4 * 512);
  ledger.close();
  expect(existsSync(join(folder, name!))).toBe(true);
  kept.gone();
  expect(readdirSync(folder)).toEqual([]);
});

test('without a stateDir an agent on serve() takes its daemons along when its host is killed', async () => {
  const { host, left } = await openHost('', 3, 'daemon', 'double-fork-daemon', 'background');
  await kill(host);
  await until(() => !left.flatMap(({ pid, leaves }) => [pid, ...leaves]).some(lives));
});
