// What breaks a rule of wire v2 is refused, in one piece and byte by byte.
import { describe, expect, test } from 'vitest';
import { agent, cut, decode, host, type To } from './v2.ts';

describe('what breaks a rule is a PROTOCOL_ERROR', () => {
  const frame = (type: number, flags: number, id: number, body = '', length = body.length / 2, zero = 0): Buffer => {
    const header = Buffer.alloc(16);
    header.writeUInt32LE(length);
    header[4] = type;
    header[5] = flags;
    header.writeUInt16LE(zero, 6);
    header.writeBigUInt64LE(BigInt(id), 8);
    return Buffer.concat([header, Buffer.from(body, 'hex')]);
  };
  const u32 = (value: number): string => frame(0, 0, 0, '', value).toString('hex', 0, 4);
  const request = '00000000'.repeat(4);
  test.each<[string, To, Buffer]>([
    ['an unknown type', 'agent', frame(0x06, 0, 1)],
    ['type 0', 'agent', frame(0, 0, 1)],
    ['a type of the other side', 'agent', frame(0x13, 0, 1)],
    ['a type of the other side', 'host', frame(0x01, 0, 1, request)],
    ['an unknown type, before its body arrives', 'host', frame(0x15, 0, 1, '', 1_000)],
    ['a flag that a Request does not have', 'agent', frame(0x01, 4, 1, request)],
    ['a Cancel with a flag', 'agent', frame(0x02, 2, 1)],
    ['a Cancel in pieces', 'agent', frame(0x02, 1, 1, '00')],
    ['an Output in pieces', 'host', frame(0x12, 1, 1, '00')],
    ['a Heartbeat with a flag', 'host', frame(0x21, 1, 1)],
    ['an Error with a flag', 'host', frame(0x22, 4, 0)],
    ['a Started on stderr', 'host', frame(0x11, 2, 1)],
    ['a Result with flag 128', 'host', frame(0x13, 128, 1)],
    ['a Cancel with a body', 'agent', frame(0x02, 0, 1, '00')],
    ['a Started with a body', 'host', frame(0x11, 0, 1, '00')],
    ['a Started with more than an offset', 'host', frame(0x11, 4, 1, '000000000000000000')],
    ['a Started with less than an offset', 'host', frame(0x11, 4, 1, '0000')],
    ['a Result with a body that no flag announces', 'host', frame(0x13, 0, 1, '00')],
    ['a Terminate without a grace time', 'agent', frame(0x04, 0, 0)],
    ['a Terminate with more than a grace time', 'agent', frame(0x04, 0, 0, '0000000000')],
    ['a Window without a number of bytes', 'agent', frame(0x05, 0, 1)],
    ['a Window with more than a number of bytes', 'agent', frame(0x05, 0, 1, '0000000000')],
    ['a Report that is no JSON', 'host', frame(0x14, 0, 1, '7b')],
    ['a Report without a signal', 'host', frame(0x14, 0, 1, Buffer.from('{"signal":7}').toString('hex'))],
    ['a Window', 'host', frame(0x05, 0, 1, '00000000')],
    ['an Acknowledge with a request id', 'host', frame(0x23, 0, 1, '00'.repeat(8))],
    ['an Acknowledge without a count', 'agent', frame(0x23, 0, 0)],
    ['a Resume with more than a count', 'agent', frame(0x24, 0, 0, '00'.repeat(9))],
    ['a count of 2^53', 'host', frame(0x24, 0, 0, '0000000000002000')],
    ['a Signal with a request id', 'agent', frame(0x03, 0, 1)],
    ['a Terminate with a request id', 'agent', frame(0x04, 0, 1, '00000000')],
    ['an Error with a request id', 'host', frame(0x22, 0, 1)],
    ['reserved bytes that are not zero', 'host', frame(0x21, 0, 1, '', 0, 1)],
    ['reserved bytes that are not zero', 'host', frame(0x21, 0, 1, '', 0, 256)],
    ['a request id of 2^53', 'host', frame(0x21, 0, 2 ** 53)],
    ['an offset of 2^53', 'host', frame(0x11, 4, 1, '0000000000002000')],
    ['a Request that ends in a field', 'agent', frame(0x01, 0, 1, '00000000ff')],
    ['a Request with bytes behind its fields', 'agent', frame(0x01, 0, 1, `${request}00`)],
    ['a Request without its counts', 'agent', frame(0x01, 0, 1, '0000000000000000')],
    ['more arguments than the body can hold', 'agent', frame(0x01, 0, 1, `0000000000000000ffffffff${'00'.repeat(64)}`)],
    ['more variables than the body can hold', 'agent', frame(0x01, 0, 1, `000000000000000000000000${u32(9)}${'00'.repeat(64)}`)],
    ['a variable that is given twice', 'agent', frame(0x01, 0, 1, `000000000000000000000000${u32(2)}${'00'.repeat(16)}`)],
    ['a text that is longer than the body', 'agent', frame(0x01, 0, 1, `ffffffff${request}`)],
    ['a command that is not UTF-8', 'agent', frame(0x01, 0, 1, `00000000${u32(1)}ff0000000000000000`)],
    ['a Signal that is not UTF-8', 'agent', frame(0x03, 0, 0, 'c0af')],
    ['a Signal with a surrogate', 'agent', frame(0x03, 0, 0, 'eda080')],
    ['an error that is not UTF-8', 'host', frame(0x13, 16, 1, `${u32(1)}80`)],
    ['an empty piece that is not the last', 'agent', frame(0x01, 1, 1)],
    ['pieces with different flags', 'agent', Buffer.concat([frame(0x01, 1, 1, '00'), frame(0x01, 2, 1, '00')])],
    ['a fifth unfinished body', 'agent', Buffer.concat([1, 2, 3, 4, 5].map(id => frame(0x01, 1, id, '00')))],
  ])('%s, to the %s', (_, to, bytes) => {
    expect(decode(to, [bytes])).toMatchObject({ messages: [], code: 'PROTOCOL_ERROR' });
    expect(decode(to, cut(bytes, [...bytes.keys()]))).toMatchObject({ messages: [], code: 'PROTOCOL_ERROR' });
  });

  test('a text with U+FFFD of its own is a text', () => {
    expect(decode('agent', [frame(0x03, 0, 0, 'efbfbd')])).toMatchObject({ messages: [{ type: 'Signal', text: '\ufffd' }] });
  });

  test('a lone surrogate is not sent', () => {
    const refused = expect.objectContaining({ code: 'PROTOCOL_ERROR' });
    for (const lone of ['\ud800', `${'x'.repeat(5_000)}\udc00`]) {
      expect(() => host.signal(0, lone)).toThrow(refused);
      expect(() => host.executeRequest(1, { taskId: '', command: lone, args: [], env: new Map() })).toThrow(refused);
      expect(() => agent.executeResponse(1, { taskId: null, status: 'Failed', output: null, error: lone, exitCode: 1 })).toThrow(refused);
    }
  });

  test('a Cancel drops the pieces of its request, and is not delivered', () => {
    const bytes = Buffer.concat([frame(0x01, 1, 1, '00'), frame(0x02, 0, 1), frame(0x02, 0, 1), frame(0x01, 0, 2, request)]);
    const { messages, unfinished } = decode('agent', [bytes]);
    expect(messages).toMatchObject([
      { type: 'Cancel', request_id: 1 },
      { type: 'Request', request_id: 2 },
    ]);
    expect(unfinished).toBe(0);
  });
});
