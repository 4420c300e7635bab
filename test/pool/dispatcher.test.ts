// The dispatcher of a pool: the least loaded member that is ready, compared with a search over all members.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createDispatcher, type DispatchState } from '../../src/pool/dispatcher.ts';

interface Member extends DispatchState {
  readonly name: string;
  ready: boolean;
}
const member = (name: string): Member => ({ name, ready: true, load: 0, offered: false, index: -1 });
const open = (names: string, maxConcurrency = 1) => {
  const dispatcher = createDispatcher<Member>(maxConcurrency, each => each.ready);
  const members = [...names].map(member);
  for (const each of members) dispatcher.offer(each);
  return { dispatcher, members };
};

test('a member runs no more executions at once than its concurrency', () => {
  const { dispatcher, members } = open('a', 2);
  expect([dispatcher.take(), dispatcher.take(), dispatcher.take()]).toEqual([members[0], members[0], null]);
  dispatcher.release(members[0]!);
  expect([dispatcher.take(), dispatcher.take()]).toEqual([members[0], null]);
});

test('of idle members the one that was busy last is taken, so that the others can end', () => {
  const { dispatcher, members } = open('abc');
  const [, b] = members as [Member, Member, Member];
  const taken = [dispatcher.take(), dispatcher.take(), dispatcher.take()];
  for (const each of taken.filter(each => each !== b)) dispatcher.release(each!);
  dispatcher.release(b);
  for (let n = 0; n < 5; n += 1) {
    expect(dispatcher.take()).toBe(b);
    dispatcher.release(b);
  }
});

test('a member that is not ready is passed over until it is offered again', () => {
  const { dispatcher, members } = open('ab');
  const [a, b] = members as [Member, Member];
  b.ready = false;
  expect([dispatcher.take(), dispatcher.take()]).toEqual([a, null]);
  b.ready = true;
  expect(dispatcher.take()).toBeNull();
  dispatcher.offer(b);
  expect(dispatcher.take()).toBe(b);
});

test('a member that was withdrawn ends what it runs, and is given no more', () => {
  const { dispatcher, members } = open('a', 2);
  const [a] = members as [Member];
  dispatcher.take();
  dispatcher.withdraw(a);
  expect(dispatcher.take()).toBeNull();
  dispatcher.release(a);
  expect([a.load, dispatcher.take()]).toEqual([0, null]);
});

test('whatever is offered, withdrawn, taken and released, the least loaded ready member is taken', () => {
  const steps = fc.array(fc.record({ what: fc.constantFrom('offer', 'withdraw', 'take', 'release', 'toggle'), which: fc.nat(4) }), {
    maxLength: 200,
  });
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 4 }), (list, maxConcurrency) => {
      const { dispatcher, members } = open('abcde', maxConcurrency);
      for (const { what, which } of list) {
        const one = members[which]!;
        if (what === 'offer') dispatcher.offer(one);
        else if (what === 'withdraw') dispatcher.withdraw(one);
        else if (what === 'toggle') one.ready = !one.ready;
        else if (what === 'release') {
          if (one.load > 0) dispatcher.release(one);
        } else {
          const free = members.filter(each => each.offered && each.ready && each.load < maxConcurrency);
          const least = Math.min(...free.map(({ load }) => load));
          const taken = dispatcher.take();
          expect(taken === null ? Number.POSITIVE_INFINITY : taken.load - 1).toBe(least);
          if (taken !== null) expect(free).toContain(taken);
        }
      }
    }),
  );
});
