// The real clock.
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { realClock } from '../../src/world/clock.ts';
import { atEnd } from '../census/census.ts';

/** Stands still for so long, in ms, as a computation or SIGSTOP does. */
function stall(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until; );
}

test('what has arrived while this process stood still is read before a timer that is due runs', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  atEnd(() => void server.close());
  await once(server, 'listening');
  const far = connect({ host: '127.0.0.1', port: (server.address() as { port: number }).port });
  const [[near]] = (await Promise.all([once(server, 'connection'), once(far, 'connect')])) as [[Socket], unknown];
  atEnd(() => {
    near.destroy();
    far.destroy();
  });
  for (let round = 0; round < 20; round += 1) {
    const order: string[] = [];
    near.once('data', () => order.push('read'));
    const due = new Promise<void>(resolve => {
      realClock.setTimeout(() => {
        order.push('due');
        resolve();
      }, 2);
    });
    far.write('in time');
    stall(10);
    await due;
    expect(order).toEqual(['read', 'due']);
  }
});

test('a timer that was cleared does not run, not even one that is due', async () => {
  const ran: string[] = [];
  const early = realClock.setTimeout(() => ran.push('early'), 1);
  realClock.clearTimeout(early);
  const late = realClock.setTimeout(() => ran.push('late'), 1);
  // Runs between the time that is due and the timer itself.
  setTimeout(() => realClock.clearTimeout(late), 1);
  stall(5);
  await new Promise(resolve => setTimeout(resolve, 5));
  await new Promise(resolve => setImmediate(resolve));
  realClock.clearTimeout(late);
  expect(ran).toEqual([]);
});

test('a time that Node has no timer for does not end at once', async () => {
  const warnings: string[] = [];
  const warned = ({ name }: Error): void => void warnings.push(name);
  process.on('warning', warned);
  const timers = [2 ** 31, Number.POSITIVE_INFINITY].map(ms => realClock.setTimeout(() => warnings.push('expired'), ms));
  await new Promise(setImmediate);
  for (const timer of timers) realClock.clearTimeout(timer);
  process.off('warning', warned);
  expect(warnings).toEqual([]);
});
