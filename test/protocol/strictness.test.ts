// What real serde reads and what it refuses (the tables of the wire description), line by line.
import { describe, expect, test } from 'vitest';
import * as v1 from '../../src/protocol/v1/messages.ts';

const frame = (fields: Record<string, string>) =>
  `{${Object.entries({
    message_type: '"Heartbeat"',
    request_id: '1',
    timestamp: '{"secs_since_epoch":1,"nanos_since_epoch":2}',
    payload: '[]',
    ...fields,
  })
    .filter(([, value]) => value !== '')
    .map(([key, value]) => `"${key}":${value}`)
    .join(',')}}`;
const read = (text: string | Buffer) => v1.decodeMessage(Buffer.from(text as string));
const readRequest = (text: string | Buffer) => v1.decodeExecuteRequest(Buffer.from(text as string));
const readResponse = (text: string) => v1.decodeExecuteResponse(Buffer.from(text));
const request = (fields: Record<string, string>) =>
  `{${Object.entries({ task_id: '"t"', command: '"c"', args: '[]', env: '{}', ...fields })
    .filter(([, value]) => value !== '')
    .map(([key, value]) => `"${key}":${value}`)
    .join(',')}}`;
const deep = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);

describe('the outer message', () => {
  test.each<[string, string | Buffer]>([
    ['request ids up to u64::MAX', frame({ request_id: '18446744073709551615' })],
    [
      'fields in another order',
      '{"payload":[],"timestamp":{"nanos_since_epoch":2,"secs_since_epoch":1},"request_id":1,"message_type":"Heartbeat"}',
    ],
    [
      'white space everywhere',
      ' \t\r\n{ "message_type" : "Heartbeat" ,"request_id": 1 , "timestamp" : { "secs_since_epoch" : 1 , "nanos_since_epoch" : 2 } , "payload" : [ 0 , 255 ] } \n',
    ],
    ['an unknown field', frame({ extra: '{"a":[1,2.5e3,null,true,"\\ud800"]}' })],
    ['an unknown field twice', frame({}).replace('{', '{"x":1,"x":2,')],
    ['deep nesting in an unknown field', frame({ extra: deep(100) })],
    [
      'invalid UTF-8 in an unknown string',
      Buffer.concat([Buffer.from(frame({}).slice(0, -1)), Buffer.from(',"x":"'), Buffer.from([0xff, 0xed, 0xa0, 0x80]), Buffer.from('"}')]),
    ],
    ['an escaped key', frame({}).replace('request_id', 'request\\u005fid')],
    ['the long form of a variant', frame({ message_type: '{"Heartbeat":null}' })],
    ['a struct as an array', '["Heartbeat",1,[1,2],[]]'],
    ['a timestamp as an array', frame({ timestamp: '[1,2]' })],
    ['an empty payload with space', frame({ payload: '[ ]' })],
    ['the last second', frame({ timestamp: '{"secs_since_epoch":9223372036854775807,"nanos_since_epoch":999999999}' })],
  ])('reads %s', (_, text) => {
    expect(read(text).type).toBe('Heartbeat');
  });

  test('nanoseconds from 1e9 up carry into the seconds', () => {
    expect(read(frame({ timestamp: '{"secs_since_epoch":1,"nanos_since_epoch":4294967295}' })).timestamp).toEqual({
      secs: 5,
      nanos: 294967295,
    });
    expect(() => read(frame({ timestamp: '[9223372036854775807,1000000000]' }))).toThrow(/overflow/);
  });

  test.each<[string, string | Buffer]>([
    ...[
      '-1',
      '-0',
      '1.0',
      '1.5',
      '1e3',
      '18446744073709551616',
      '18446744073709552000',
      '"1"',
      'null',
      '01',
      '1n',
      '',
      '99999999999999999999999',
    ].map(id => [`request_id ${id}`, frame({ request_id: id })] as [string, string]),
    ...[
      '[256]',
      '[-1]',
      '[1.0]',
      '["1"]',
      '[null]',
      'null',
      '"AQID"',
      '{"type":"Buffer","data":[1]}',
      '{"0":1}',
      '',
      '[1,]',
      '[,1]',
      '[01]',
      '[1',
      '[1 2]',
    ].map(p => [`payload ${p}`, frame({ payload: p })] as [string, string]),
    ...['"heartbeat"', '"Other"', '1', 'null', '["Heartbeat"]', '', '{"Heartbeat":1}', '{"Heartbeat":null,"x":1}', '{}'].map(
      t => [`message_type ${t}`, frame({ message_type: t })] as [string, string],
    ),
    ...[
      '1',
      '"2020-01-01"',
      'null',
      '{}',
      '{"secs":1,"nanos":1}',
      '{"secs_since_epoch":1}',
      '{"secs_since_epoch":1,"nanos_since_epoch":2,"x":3}',
      '[1]',
      '[1,2,3]',
      '{"secs_since_epoch":-1,"nanos_since_epoch":2}',
      '{"secs_since_epoch":1.0,"nanos_since_epoch":2}',
      '{"secs_since_epoch":9223372036854775808,"nanos_since_epoch":2}',
      '{"secs_since_epoch":1,"nanos_since_epoch":-1}',
      '{"secs_since_epoch":1,"nanos_since_epoch":0.5}',
      '{"secs_since_epoch":1,"nanos_since_epoch":4294967296}',
      '{"secs_since_epoch":1,"nanos_since_epoch":null}',
      '',
    ].map(t => [`timestamp ${t}`, frame({ timestamp: t })] as [string, string]),
    ['a known field twice', frame({}).replace('{', '{"request_id":1,')],
    ['a NUL behind it', `${frame({})}\0`],
    ['a comma behind it', `${frame({})},`],
    ['a second message', frame({}) + frame({})],
    ['a BOM', `\ufeff${frame({})}`],
    ['a comment', `/**/${frame({})}`],
    ['a message as a JSON string', JSON.stringify(frame({}))],
    ['null', 'null'],
    ['an array with one element more', '["Heartbeat",1,[1,2],[],0]'],
    ['an array with one element fewer', '["Heartbeat",1,[1,2]]'],
    ['nesting without end in an unknown field', frame({ extra: deep(50_000) })],
    ['broken syntax in an unknown field', frame({ extra: '[1,,2]' })],
    ['a bad number in an unknown field', frame({ extra: '01' })],
    ['a trailing comma', frame({}).replace(/}$/, ',}')],
    ['nothing but white space', '  '],
    ['an unfinished object', frame({}).slice(0, -1)],
  ])('refuses %s', (_, text) => {
    expect(() => read(text)).toThrow(expect.objectContaining({ code: 'PROTOCOL_ERROR' }));
  });
});

describe('the payload structs', () => {
  test('env keeps __proto__, integer-like keys and their order; of a key given twice the last value counts', () => {
    expect([...readRequest(request({ env: '{"__proto__":"p","10":"ten","9":"nine","a":"1","a":"2"}' })).env]).toEqual([
      ['__proto__', 'p'],
      ['10', 'ten'],
      ['9', 'nine'],
      ['a', '2'],
    ]);
  });

  test('strings keep escapes, surrogate pairs and raw UTF-8', () => {
    expect(readRequest(request({ command: '"\\u0041\\/\\n\\ud83d\\ude00\\uABCDé"' })).command).toBe('A/\n😀\uabcdé');
  });

  test.each<[string, string | Buffer]>([
    ...['', 'null', '1', '"\\ud800"', '"\\udc00x"', '"\n"', '"\\x"', '"\\u12"', '"open'].map(
      c => [`command ${JSON.stringify(c)}`, request({ command: c })] as [string, string],
    ),
    ...['"a"', '[1]', '[null]', 'null', '', '["a",]'].map(a => [`args ${a}`, request({ args: a })] as [string, string]),
    ...['[]', '[["a","b"]]', '{"a":1}', '{"a":null}', 'null', '', '{"a":"b",}', '{a:"b"}'].map(
      e => [`env ${e}`, request({ env: e })] as [string, string],
    ),
    ['a field twice', request({}).replace('{', '{"args":[],')],
  ])('a request is refused with %s', (_, text) => {
    expect(() => readRequest(text)).toThrow(expect.objectContaining({ code: 'PROTOCOL_ERROR' }));
  });

  test('invalid UTF-8 and surrogates as UTF-8 are refused', () => {
    for (const bytes of [[0xff], [0xc3, 0x28], [0xed, 0xa0, 0x80]]) {
      const payload = Buffer.concat([Buffer.from('{"task_id":"'), Buffer.from(bytes), Buffer.from('","command":"","args":[],"env":{}}')]);
      expect(() => v1.decodeExecuteRequest(payload)).toThrow(/UTF-8/);
    }
  });

  test('Options may be missing or null', () => {
    const none = { taskId: 't', status: 'Started', output: null, error: null, exitCode: null };
    expect(readResponse('{"task_id":"t","status":"Started"}')).toEqual(none);
    expect(readResponse('{"task_id":"t","status":"Started","output":null,"error":null,"exit_code":null}')).toEqual(none);
    expect(readResponse('["t","Started",null,null,null]')).toEqual(none);
  });

  test.each(['2147483648', '-2147483649', '4294967295', '0.0', '1e0', '-0', '"0"', 'true'])('exit_code %s is refused', code => {
    expect(() => readResponse(`{"task_id":"t","status":"Failed","exit_code":${code}}`)).toThrow(
      expect.objectContaining({ code: 'PROTOCOL_ERROR' }),
    );
  });

  test.each(['"completed"', '"Cancelled"', 'null', '1'])('status %s is refused', status => {
    expect(() => readResponse(`{"task_id":"t","status":${status}}`)).toThrow(expect.objectContaining({ code: 'PROTOCOL_ERROR' }));
  });

  test.each(['1', '"true"', 'null', 'True'])('success %s is refused', success => {
    expect(() => v1.decodeAuthResponse(Buffer.from(`{"success":${success}}`))).toThrow(expect.objectContaining({ code: 'PROTOCOL_ERROR' }));
  });

  test('a lone surrogate never leaves us', () => {
    const bad = 'half \ud83d';
    expect(() => v1.encodeExecuteRequest({ taskId: 't', command: bad, args: [], env: new Map() })).toThrow(/surrogate/);
    expect(() => v1.encodeExecuteRequest({ taskId: 't', command: '', args: [bad], env: new Map() })).toThrow(/surrogate/);
    expect(() => v1.encodeExecuteRequest({ taskId: 't', command: '', args: [], env: new Map([[bad, '']]) })).toThrow(/surrogate/);
    expect(() => v1.encodeExecuteResponse({ taskId: 't', status: 'Running', output: bad, error: null, exitCode: null })).toThrow(
      /surrogate/,
    );
  });

  test('signals: ours, a bare word, and what nobody knows', () => {
    const signal = (text: string) => v1.decodeSignal(Buffer.from(text));
    expect(signal('{"signal":"terminate","grace_ms":5000}')).toEqual({ signal: 'terminate', grace_ms: 5000 });
    expect(signal('"terminate"')).toEqual({ signal: 'terminate', grace_ms: 0 });
    expect(signal('{"signal":"cancel","task_id":"7"}')).toEqual({ signal: 'cancel', task_id: '7' });
    expect(signal('{"signal":"user","data":"please terminate"}')).toEqual({ signal: 'user', data: 'please terminate' });
    expect(signal('{"signal":"other"}')).toBeNull();
    expect(v1.decodeSignal(Buffer.from([1, 2, 3]))).toBeNull();
  });
});
