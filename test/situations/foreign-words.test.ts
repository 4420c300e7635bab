// What the other side says is shown to people escaped and cut, and never with a piece of a token in it.
import { describe, expect, test } from 'vitest';
import { newRun } from '../../src/instance/program-run.ts';
import { factsOf } from '../../src/instance/report.ts';
import { encodeExecuteResponse } from '../../src/protocol/v1/messages.ts';
import { dial, everyday, failureOf, type HandPeer, joinAs, openSpearlet, seen, startHollow, type TestSpearlet, until } from './world.ts';

const EVIL = '\u001b[2J\r\nFAKE: all is well\u009b31m\u202e';
/** What no text for people may hold; our own texts may have lines. */
const UNSAFE = /[\0-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]/u;

function frame(peer: HandPeer, body: string): void {
  const bytes = Buffer.from(body);
  const header = Buffer.alloc(8);
  header.writeUInt32LE(bytes.length, 0);
  peer.socket.write(Buffer.concat([header, bytes]));
}

const message = (type: string, timestamp: string): string =>
  `{"message_type":${JSON.stringify(type)},"request_id":1,"timestamp":{${timestamp}},"payload":[]}`;
const TIME = '"secs_since_epoch":1,"nanos_since_epoch":0';

/** Everything that is written for people. The values of events and log lines, not their JSON: that escapes by itself. */
function shownBy(spearlet: TestSpearlet, instanceId: string): string[] {
  const values = (value: unknown): string[] =>
    typeof value === 'string' ? [value] : typeof value === 'object' && value !== null ? Object.values(value).flatMap(values) : [];
  return [
    String(spearlet.explain(instanceId)),
    ...spearlet.events.flatMap(values),
    ...spearlet.log.flatMap(line => values(JSON.parse(line))),
  ];
}

describe('an unauthenticated connection', () => {
  const firsts: [string, (token: string) => string][] = [
    ['an unknown message type', () => message(EVIL, TIME)],
    ['an unknown field', () => message('AuthRequest', `${JSON.stringify(EVIL)}:1,${TIME}`)],
    ['a token as the message type', token => message(token, TIME)],
    ['a token as a field', token => message('AuthRequest', `"${token}":1,${TIME}`)],
  ];
  test.each(firsts)('that sends %s puts neither control characters nor pieces of a token into any text', async (_, body) => {
    const spearlet = openSpearlet();
    const { environment, instance } = await startHollow(spearlet);
    const token = environment.SPEARLET_TOKEN!;
    const stranger = await dial(environment.SPEARLET_ADDR!);
    frame(stranger, body(token));
    await stranger.closed;
    await until(() => spearlet.events.some(({ type }) => type === 'connection.closed'));
    const shown = shownBy(spearlet, instance.id);
    expect(shown.filter(text => UNSAFE.test(text))).toEqual([]);
    expect(shown.join('\n')).toContain('PROTOCOL_ERROR');
    expect(shown.filter(text => /^\s*FAKE/m.test(text))).toEqual([]);
    const pieces = Array.from({ length: token.length - 7 }, (_, i) => token.slice(i, i + 8));
    expect(shown.filter(text => pieces.some(piece => text.includes(piece)))).toEqual([]);
  });
});

test('a token that is written without a frame is not repeated as the length it would be', async () => {
  const spearlet = openSpearlet();
  const { environment, instance } = await startHollow(spearlet);
  const token = Buffer.from(environment.SPEARLET_TOKEN!);
  const stranger = await dial(environment.SPEARLET_ADDR!);
  stranger.socket.write(token);
  await stranger.closed;
  await until(() => spearlet.events.some(({ type }) => type === 'connection.closed'));
  const shown = shownBy(spearlet, instance.id).join('\n');
  expect(shown).toContain('FRAME_TOO_LARGE');
  expect(shown).not.toContain(String(token.readBigUInt64LE()));
});

test('the end of stderr stays as it is in data, and is shown escaped, line by line', async () => {
  const spearlet = openSpearlet();
  const script = `process.stderr.write(${JSON.stringify(`${EVIL}\nplain\n`)}); process.exitCode = 3`;
  const error = await failureOf(spearlet.start({ ...everyday, args: ['-e', script] }));
  expect(error.stderr).toBe(`${EVIL}\nplain`);
  const text = String(spearlet.explain(error.instanceId!));
  for (const shown of [error.message, text]) {
    expect(shown).not.toMatch(UNSAFE);
    expect(shown).toContain('\n  | \\x1b[2J\\x0d\n  | FAKE: all is well\\x9b31m\\u{202e}\n  | plain');
  }
});

test("an agent's word for its failure stays as it is in `error`, and is escaped and cut in the message", async () => {
  const spearlet = openSpearlet();
  const { environment, instance } = await startHollow(spearlet);
  const agent = await joinAs(environment);
  const execution = instance.execute({ command: 'echo' });
  const { requestId } = await agent.next('ExecuteRequest');
  const said = EVIL + 'x'.repeat(100_000);
  const { taskId } = execution;
  agent.send('ExecuteResponse', requestId, encodeExecuteResponse({ taskId, status: 'Failed', output: null, error: said, exitCode: 1 }));
  const error = await failureOf(execution.result);
  expect(error.error).toBe(said);
  expect(error.message).not.toMatch(UNSAFE);
  expect(error.message).toContain('\\x1b[2J\\x0d\\x0aFAKE');
  expect(error.message.length).toBeLessThan(2_000);
  agent.close();
});

test('an Error message of an agent is logged escaped and cut, without what could be its token', async () => {
  const spearlet = openSpearlet();
  const { environment, instance } = await startHollow(spearlet);
  const token = environment.SPEARLET_TOKEN!;
  const agent = await joinAs(environment);
  await seen(instance.state$, state => state === 'ready');
  agent.send('Error', 9, `${EVIL}: ${token} and ${token.slice(0, 20)} ${'y '.repeat(5_000)}`);
  const line = () => spearlet.log.find(each => each.includes('unexpected message'));
  await until(() => line() !== undefined);
  const { text } = JSON.parse(line()!);
  expect(text).toContain('FAKE: all is well');
  expect(text).not.toMatch(UNSAFE);
  expect(text.length).toBeLessThan(1_100);
  expect(text).not.toContain(token.slice(0, 20));
  agent.close();
});

test('the command of a process in `left` is escaped and cut', () => {
  const output = { stderrTail: () => '', totalBytes: 0, droppedBytes: 0 };
  const run = { ...newRun(), ending: { left: [{ pid: 7, startTime: 1, command: EVIL + 'z'.repeat(5_000) }], complete: true } };
  const { left } = factsOf({ id: 'a-1', artifactId: 'a', pid: 1, run, output } as never, { now: () => 0 } as never);
  expect(left[0]!.command).toMatch(/^\\x1b\[2J\\x0d\\x0aFAKE/);
  expect(left[0]!.command.length).toBeLessThan(300);
});
