// The ledger of a host, on a simulated disk.
import { expect, test } from 'vitest';
import { openLedger, recordedSpawn } from '../../src/journal/ledger.ts';
import type { Identity, ProcessEntry, ProcessTable } from '../../src/process/tree/proc-table.ts';
import type { Disk } from '../../src/world/disk.ts';

const BOOT = 'b-1';
const SLOT = 512;

function open(files: Record<string, string | null> = {}, living: Identity[] = []) {
  const disk = { files: new Map(Object.entries(files)), closed: 0, broken: false };
  const failures: unknown[] = [];
  const handDisk: Disk = {
    requirePrivate() {},
    create(_, name) {
      disk.files.set(name, '');
      return {
        write(offset, text) {
          if (disk.broken) throw new Error('ENOSPC');
          const before = disk.files.get(name)!;
          disk.files.set(name, before.slice(0, offset).padEnd(offset) + text + before.slice(offset + text.length));
        },
        close: () => void (disk.closed += 1),
      };
    },
    names: () => [...disk.files.keys()],
    read: (_, name) => disk.files.get(name) ?? null,
    remove: (_, name) => void disk.files.delete(name),
  };
  const table = {
    self: 10,
    entry: (pid: number) => (living.find(each => each.pid === pid) as ProcessEntry | undefined) ?? null,
    bootId: () => BOOT,
    pidNamespace: () => '77',
  } as never as ProcessTable;
  const ledger = openLedger({ disk: handDisk, processTable: table, folder: '/state', id: '0a-1b-2c-3d-4e-5f-6a' }, error =>
    failures.push(error),
  );
  const mine = [...disk.files.keys()].at(-1)!;
  const slots = (): unknown[] =>
    (disk.files.get(mine) ?? '')
      .split('\n')
      .slice(1, -1)
      .map(line => (line.trim() === '' ? null : JSON.parse(line)));
  return { disk, ledger, failures, mine, slots };
}
/** The first line of a file repeats its name. */
const named = (file: string) => `${JSON.stringify({ file })}\n`;
const started = (instanceId: string, pid: unknown, startTime: unknown) => `${JSON.stringify({ instanceId, pid, startTime })}\n`;

test('the name of the file says which process of which boot and pid namespace it belongs to', () => {
  expect(open({}, [{ pid: 10, startTime: 5, living: true } as Identity]).mine).toBe('host.b-1.77.10.5.0a1b2c3d4e5f');
  // Where the start time of this process cannot be read.
  expect(open().mine).toBe('host.b-1.77.10.0.0a1b2c3d4e5f');
});

test('a program is recorded before its spawn, then with its pid, and removed once, when it is gone', () => {
  const { disk, ledger, mine, slots } = open();
  const first = ledger.begin('one');
  const second = ledger.begin('two');
  expect(slots()).toEqual([{ instanceId: 'one' }, { instanceId: 'two' }]);
  first.started({ pid: 20, startTime: 7 });
  second.started({ pid: 21, startTime: 8 });
  first.gone();
  first.gone();
  expect(slots()).toEqual([null, { instanceId: 'two', pid: 21, startTime: 8 }]);
  expect(disk.files.get(mine)).toHaveLength(3 * SLOT);
  // Its slot is used again, and no slot twice.
  ledger.begin('three');
  ledger.begin('four');
  expect(slots()).toMatchObject([{ instanceId: 'three' }, { instanceId: 'two' }, { instanceId: 'four' }]);
});

test('the file is removed when the host has ended and no program in it lives, whichever comes last', () => {
  const first = open();
  const entry = first.ledger.begin('one');
  entry.gone();
  expect(first.disk.files.has(first.mine)).toBe(true);
  first.ledger.close();
  first.ledger.close();
  expect([first.disk.files.has(first.mine), first.disk.closed]).toEqual([false, 1]);

  const second = open();
  const left = second.ledger.begin('one');
  second.ledger.close();
  expect(second.disk.files.has(second.mine)).toBe(true);
  left.gone();
  expect(second.disk.files.has(second.mine)).toBe(false);
});

test('a disk that fails is reported once, until a write succeeds again', () => {
  const { disk, ledger, failures } = open();
  disk.broken = true;
  const entry = ledger.begin('one');
  entry.started({ pid: 20, startTime: 7 });
  expect(failures).toHaveLength(1);
  disk.broken = false;
  ledger.begin('two');
  disk.broken = true;
  entry.gone();
  expect(failures).toHaveLength(2);
});

test('the files of dead hosts of this boot and namespace are read; of an earlier boot only the name counts', () => {
  const good = started('left', 30, 9) + started('spawning', null, null) + started('', 31, 9) + started('bad', 1, 9);
  const { ledger } = open(
    {
      'host.b-1.77.40.5.abc': `${named('host.b-1.77.40.5.abc')}${good}torn{\n`,
      'host.b-1.77.41.5.abc': named('host.b-1.77.41.5.abc') + started('of the living', 32, 9),
      'host.b-1.77.42.6.abc': named('host.b-1.77.42.6.abc') + started('of a recycled pid', 33, 9),
      'host.b-1.88.40.5.abc': named('host.b-1.88.40.5.abc') + started('of another namespace', 34, 9),
      'host.b-0.88.40.5.abc': named('host.b-0.88.40.5.abc') + started('of another boot', 35, 9),
      'host.b-1.77.44.5.abc': named('host.b-1.77.40.5.abc') + good,
      'host.b-1.77.43.5.abc': null,
      'something else': good,
    },
    [{ pid: 41, startTime: 5, living: true } as Identity, { pid: 42, startTime: 5, living: true } as Identity],
  );
  expect(ledger.readStale()).toEqual([
    {
      name: 'host.b-1.77.40.5.abc',
      host: { pid: 40, startTime: 5 },
      started: [
        { instanceId: 'left', root: { pid: 30, startTime: 9 } },
        { instanceId: 'spawning', root: null },
        { instanceId: 'bad', root: null },
      ],
    },
    {
      name: 'host.b-1.77.42.6.abc',
      host: { pid: 42, startTime: 6 },
      started: [{ instanceId: 'of a recycled pid', root: { pid: 33, startTime: 9 } }],
    },
    { name: 'host.b-0.88.40.5.abc', host: { pid: 40, startTime: 5 }, started: [] },
  ]);
  ledger.remove(ledger.readStale()[0]!);
  expect(ledger.readStale()).toHaveLength(2);
});

test('a spawn that fails is removed at once, one that succeeds when no process of its tree lives', async () => {
  const { ledger, slots } = open();
  const program = { environment: { SPEARLET_INSTANCE_ID: 'one' } } as never;
  const fails = recordedSpawn(() => {
    throw new Error('no');
  }, ledger);
  expect(() => fails(program, null as never, null as never)).toThrow('no');
  expect(slots()).toEqual([null]);

  for (const left of [[], [{ pid: 22 }]]) {
    let disposed = false;
    const tree = { root: { pid: 20, startTime: 7 }, end: async () => ({ left, complete: true }) };
    const spawn = recordedSpawn(() => ({ tree, dispose: async () => void (disposed = true) }) as never, ledger);
    const running = spawn(program, null as never, null as never);
    expect(slots()).toEqual([{ instanceId: 'one', pid: 20, startTime: 7 }]);
    await running.dispose();
    expect([disposed, slots()[0] === null]).toEqual([true, left.length === 0]);
  }
});
