// Messages that the other end has not acknowledged, and frames that wait.
import { describe, expect, test } from 'vitest';
import { Slots } from '../../src/connection/slots.ts';
import { Unacknowledged } from '../../src/connection/unacknowledged.ts';

const refused = (message: string) => expect.objectContaining({ code: 'PROTOCOL_ERROR', message });

describe('unacknowledged messages', () => {
  test('are kept until the other end has them; the same number again changes nothing', () => {
    const kept = new Unacknowledged();
    for (const text of ['a', 'bb', 'ccc']) kept.add(Buffer.from(text));
    kept.acknowledge(0);
    expect(kept.bytes).toBe(6);
    kept.acknowledge(2);
    kept.acknowledge(2);
    expect(kept.bytes).toBe(3);
    expect([kept.takeAll().map(String), kept.bytes]).toEqual([['ccc'], 0]);
    kept.add(Buffer.from('dddd'));
    kept.acknowledge(3);
    expect(kept.bytes).toBe(0);
  });

  test('cannot be fewer than before, nor more than were sent', () => {
    const kept = new Unacknowledged();
    kept.add(Buffer.from('a'));
    expect(() => kept.acknowledge(2)).toThrow(refused('2 messages are acknowledged, of 1 that were sent'));
    kept.acknowledge(1);
    expect(() => kept.acknowledge(0)).toThrow(refused('0 messages are acknowledged, of 1 that were sent'));
  });
});

describe('frames that wait', () => {
  const sender = () => ({ written() {} });

  test('are taken back once, by their own sender', () => {
    const slots = new Slots();
    const [one, two] = [sender(), sender()];
    expect(slots.remove(one)).toBeNull();
    slots.add(Buffer.from('a'), one);
    slots.add(Buffer.from('bb'), two);
    slots.add(Buffer.from('c'), null);
    expect([slots.remove(two), slots.remove(two)]).toEqual([2, null]);
    expect(slots.takeAll().frames.map(String)).toEqual(['a', 'c']);
    expect(slots.remove(one)).toBeNull();
  });

  test('can still be taken back after thousands before them were', () => {
    const slots = new Slots();
    const senders = Array.from({ length: 3_000 }, sender);
    for (const [index, each] of senders.entries()) slots.add(Buffer.from(String(index)), each);
    const kept = [0, 1_500, 2_998];
    for (const [index, each] of senders.entries()) {
      if (!kept.includes(index) && index !== 2_999) expect(slots.remove(each)).toBe(String(index).length);
    }
    expect(slots.remove(senders[2_999]!)).toBe(4);
    expect(slots.remove(senders[1_500]!)).toBe(4);
    expect(slots.takeAll().frames.map(String)).toEqual(['0', '2998']);
  });
});
