// The members of a pool, with simulated instances: what is reported to the chart, and who is retired, replaced and stopped.
import { BehaviorSubject } from 'rxjs';
import { expect, test } from 'vitest';
import type { InstanceRecord } from '../../src/instance/record.ts';
import { createMembers, type Member } from '../../src/pool/members.ts';
import { poolSchema } from '../../src/pool/option-schemas.ts';
import { handClock } from '../world/clock.ts';

const settled = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

function openMembers(options: Parameters<typeof poolSchema.parse>[0] = {}) {
  const clock = handClock();
  const sent: Record<string, unknown>[] = [];
  const stops: string[] = [];
  const ends = new Map<string, (message: string) => void>();
  const load = { waiting: 0, accepting: true, freed: 0 };
  let started = 0;
  const startInstance = async (): Promise<InstanceRecord> => {
    started += 1;
    const id = `m${started}`;
    const promise = new Promise(resolve => ends.set(id, message => resolve({ message })));
    const record = {
      ...{ id, artifactId: 'a', state: 'ready', failure: null, state$: new BehaviorSubject('ready'), exited: { promise } },
      stop: (grace: number) => stops.push(`${id} ${grace}`),
    };
    return record as never;
  };
  const members = createMembers({
    ...{ options: poolSchema.parse(options), grace: 7, clock, startInstance },
    send: event => sent.push(event),
    ...{ waiting: () => load.waiting, isAccepting: () => load.accepting, freedOne: () => (load.freed += 1) },
  });
  const start = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n += 1) members.start();
    await settled();
    sent.length = 0;
  };
  /** Gives an execution to the least loaded member. */
  const give = (): Member => {
    const member = members.dispatcher.take()!;
    members.given(member);
    return member;
  };
  const end = async (id: string, message = 'exit code 1'): Promise<void> => {
    ends.get(id)!(message);
    await settled();
  };
  return { clock, members, sent, stops, load, start, give, end };
}

test('a member that ends by itself is lost, with why, and its executions count no more', async () => {
  const { members, sent, load, start, give, end } = openMembers({ min: 0, max: 4 });
  await start(2);
  const [first] = [give(), give()];
  await end(first.record.id);
  expect(sent).toEqual([{ type: 'member.lost', instanceId: first.record.id, code: 'INSTANCE_STOPPED', message: 'exit code 1', wanted: 1 }]);
  expect(members.failure).toMatchObject({ message: 'a member has ended: exit code 1', instanceId: first.record.id });
  expect([members.all.size, load.freed]).toEqual([1, 2]);
  // What it ran is told of later.
  members.freed(first);
  load.waiting = 1;
  members.loadRose();
  expect(sent.at(-1)).toEqual({ type: 'load.rose', wanted: 2 });
});

test('an execution that ends makes one member fewer wanted', async () => {
  const { members, sent, load, start, give } = openMembers({ min: 0, max: 8 });
  await start(3);
  const [first] = [give(), give(), give()];
  members.loadRose();
  members.freed(first);
  load.waiting = 2;
  members.loadRose();
  expect(sent.map(({ wanted }) => wanted)).toEqual([3, 4]);
});

test('members beyond those that are wanted are retired when they have been idle for long enough, the longest first', async () => {
  const { clock, members, sent, stops, start, give } = openMembers({ min: 1, max: 4, idle: 1_000 });
  await start(3);
  const busy = give();
  clock.work(400);
  members.freed(busy);
  expect(members.untilIdle()).toBe(600);
  clock.work(600);
  members.retireIdle();
  const others = ['m1', 'm2', 'm3'].filter(id => id !== busy.record.id);
  expect(sent).toEqual(others.map(instanceId => ({ type: 'member.retired', instanceId, wanted: 1 })));
  expect(stops).toEqual(others.map(id => `${id} 7`));
  // The last one stays.
  clock.work(5_000);
  members.retireIdle();
  expect([members.untilIdle(), stops.length]).toEqual([1_000, 2]);
});

test('a member that is replaced counts neither as idle nor as beyond those that are wanted', async () => {
  const { clock, members, sent, stops, start, give, end } = openMembers({ min: 1, max: 4, idle: 1_000, recycleAfter: 1 });
  await start(1);
  const used = give();
  expect(sent).toEqual([{ type: 'member.due', instanceId: 'm1', wanted: 1 }]);
  members.freed(used);
  await start(1);
  clock.work(5_000);
  members.retireIdle();
  expect(stops).toEqual([]);
  members.retire('m1');
  expect(stops).toEqual(['m1 7']);
  await end('m1');
  expect(sent).toEqual([{ type: 'member.ended', instanceId: 'm1', wanted: 1 }]);
});

test('beside a member that is replaced, one that is beyond those that are wanted is retired', async () => {
  const { clock, members, stops, start, give } = openMembers({ min: 1, max: 4, idle: 1_000, recycleAfter: 1 });
  await start(3);
  const used = give();
  members.freed(used);
  clock.work(5_000);
  members.retireIdle();
  const [first] = ['m1', 'm2', 'm3'].filter(id => id !== used.record.id);
  expect(stops).toEqual([`${first} 7`]);
});

test('a member that is retired ends after its last execution, and one that joins a pool that stops ends at once', async () => {
  const { members, sent, stops, start, give } = openMembers({ min: 0, max: 2, maxConcurrency: 2 });
  await start(1);
  const [member] = [give(), give()];
  members.retire('m1');
  members.freed(member);
  expect(stops).toEqual([]);
  members.freed(member);
  expect(stops).toEqual(['m1 7']);
  members.start();
  members.stop(3);
  await settled();
  expect(stops).toEqual(['m1 7', 'm1 3', 'm2 0']);
  // It never was a member that could be used.
  expect(sent).toEqual([]);
});
