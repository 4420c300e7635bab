// How the ends of connections are reported: the event, the level of the log line, and what is counted.
import { expect, test } from 'vitest';
import { createRefusals } from '../../src/connection/refusals.ts';
import { bounds } from '../../src/limits.ts';
import { createConnectionEvents } from '../../src/supervisor/connection-events.ts';
import { handClock } from '../world/clock.ts';

function open() {
  const lines: unknown[][] = [];
  const emitted: unknown[] = [];
  const logTo =
    (name: string) =>
    (level: string) =>
    ({ code }: { code: string }, text: string) =>
      void lines.push([name, level, code ?? '', text]);
  const logger = (name: string) => Object.fromEntries(['debug', 'info', 'warn'].map(level => [level, logTo(name)(level)]));
  const record = { id: 'i', artifactId: 'a', log: logger('instance'), refused: 0, refusals: createRefusals(), loss: null as unknown };
  const unrouted = createRefusals();
  const events = createConnectionEvents({
    clock: handClock(),
    logger: logger('host') as never,
    records: new Map([['i', record]]) as never,
    unrouted,
    emit: event => void emitted.push(event),
  });
  const counted: number[] = [];
  const connection = (more: object = {}) =>
    ({
      connectionId: 'c1',
      instanceId: 'i',
      channel: { peer: 'p', countError: () => void counted.push(1) },
      handedOver: false,
      reported: false,
      auth: null,
      sessionSince: null,
      ...more,
    }) as never;
  return { lines, emitted, record, unrouted, events, counted, connection };
}
const closed = 'connection closed';

test('the loss of a session is information, every other end of one a warning; executions get it as their cause', () => {
  const { lines, emitted, record, events, connection } = open();
  events.reportEnd(connection({ sessionSince: 5 }), 'LINK_LOST', 'reset');
  expect(record.loss).toMatchObject({ code: 'LINK_LOST', message: 'reset', instanceId: 'i' });
  events.reportEnd(connection({ sessionSince: 5 }), 'HEARTBEAT_LOST', 'silent');
  expect(record.loss).toMatchObject({ code: 'HEARTBEAT_LOST', message: 'silent' });
  expect(lines).toEqual([
    ['instance', 'info', 'LINK_LOST', closed],
    ['instance', 'warn', 'HEARTBEAT_LOST', closed],
  ]);
  expect(emitted[0]).toEqual({ type: 'connection.closed', instanceId: 'i', connectionId: 'c1', code: 'LINK_LOST', message: 'reset' });
});

test('a connection that goes without a word is no refusal', () => {
  const { lines, record, events, connection } = open();
  events.reportEnd(connection(), 'LINK_LOST', 'closed');
  expect([lines, record.refusals.count, record.refused, record.loss]).toEqual([[['instance', 'debug', 'LINK_LOST', closed]], 0, 0, null]);
});

test('the first refusals of a start are warnings, the others are only counted', () => {
  const { lines, record, events, connection } = open();
  for (let n = 0; n <= bounds.loggedRefusals; n += 1) events.reportEnd(connection(), 'AUTH_REFUSED', 'wrong token');
  expect(lines.map(([, level]) => level)).toEqual([...Array(bounds.loggedRefusals).fill('warn'), 'debug']);
  expect([record.refused, record.refusals.count]).toEqual([bounds.loggedRefusals + 1, bounds.loggedRefusals + 1]);
  events.reportEnd(connection(), 'AUTH_TIMEOUT', 'silent');
  expect([record.refused, record.refusals.count]).toEqual([bounds.loggedRefusals + 1, bounds.loggedRefusals + 2]);
});

test('a refusal at the shared listener counts for the instance it named, or for none', () => {
  const { lines, record, unrouted, events, connection } = open();
  events.reportEnd(connection({ instanceId: null, auth: { instanceId: 'i' } }), 'AUTH_REFUSED', 'wrong token');
  events.reportEnd(connection({ instanceId: null, auth: { instanceId: 'other' } }), 'AUTH_REFUSED', 'unknown');
  expect([record.refused, record.refusals.count, unrouted.count]).toEqual([1, 1, 1]);
  expect(lines).toEqual([
    ['host', 'warn', 'AUTH_REFUSED', closed],
    ['host', 'warn', 'AUTH_REFUSED', closed],
  ]);
});

test('a connection that the host releases is reported, unless it was or lives on', () => {
  const { lines, emitted, events, connection } = open();
  const one = connection();
  events.connectionReleased(one);
  events.connectionReleased(one);
  events.connectionReleased(connection({ handedOver: true }));
  events.connectionReleased(connection({ instanceId: null }));
  const handedOver = connection();
  events.reportEnd(handedOver, 'HANDED_OVER', '');
  events.connectionReleased(handedOver);
  expect(lines).toEqual([
    ['instance', 'debug', 'INCARNATION_ENDED', closed],
    ['host', 'debug', 'STOPPED', closed],
  ]);
  expect(emitted).toMatchObject([
    { code: 'INCARNATION_ENDED', message: 'the host ended the connection with its incarnation' },
    { code: 'STOPPED', message: 'the shared listener is closed' },
  ]);
});

test('an unexpected message is counted as an error of its connection', () => {
  const { lines, events, counted, connection } = open();
  events.unexpectedMessage(connection(), 'Signal', Buffer.from('{}'));
  expect([counted, lines]).toEqual([[1], [['instance', 'debug', '', 'unexpected message from the agent']]]);
});
