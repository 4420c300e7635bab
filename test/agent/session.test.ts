// The session of an agent with its host, with a host that a test plays and timers that it fires.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openSession, type SessionHandlers } from '../../src/agent/session.ts';
import { decodeAuthRequest, encodeAuthResponse, encodeExecuteRequest } from '../../src/protocol/v1/messages.ts';
import { atEnd } from '../census/census.ts';
import { type Visit, visit } from './visit.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

async function open({ giveUp = 30_000 } = {}) {
  const visits: Visit[] = [];
  const server = createServer(socket => {
    visits.push(visit(socket));
    server.emit('visit');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const told: string[] = [];
  const waiting = new Set<() => void>();
  const tell = (what: string): void => {
    told.push(what);
    for (const wake of waiting) wake();
  };
  const hears = async (what: string): Promise<void> => {
    while (!told.includes(what)) await new Promise<void>(resolve => waiting.add(resolve));
  };
  const events: SessionHandlers = {
    opened: () => tell('opened'),
    closed: () => tell('closed'),
    writable() {},
    request: (requestId, { command }) => tell(`request ${requestId} ${command}`),
    window() {},
    cancel: (_, taskId) => tell(`cancel ${taskId}`),
    signal: data => tell(`signal ${data}`),
    draining: hurry => tell(`draining ${hurry}`),
    ended: (error, hostGone) => tell(`ended ${error === null ? hostGone : `${error.code}: ${error.message}`}`),
  };
  const { port } = server.address() as { port: number };
  const session = openSession(
    {
      address: { kind: 'tcp', host: '127.0.0.1', port },
      token: 'secret',
      instanceId: 'me',
      protocols: [1],
      silence: 30_000,
      giveUp,
      maxFrameBytes: 2 ** 20,
    },
    events,
  );
  atEnd(async () => {
    session.dispatch('host.gone');
    for (const { socket } of visits) socket.destroy();
    if (server.listening) await new Promise(closed => server.close(closed));
  });
  /** The nth connection, counted from 1. */
  const visitOf = async (n: number): Promise<Visit> => {
    while (visits.length < n) await once(server, 'visit');
    return visits[n - 1]!;
  };
  return { session, told, hears, visitOf, server, port, visits };
}
const nextTurn = () => new Promise<void>(resolve => setImmediate(resolve));
const request = encodeExecuteRequest({ taskId: 't', command: 'c', args: [], env: new Map() });

test('the agent authenticates; once admitted, requests and signals reach it', async () => {
  const { told, hears, visitOf } = await open();
  const host = await visitOf(1);
  const first = await host.next('AuthRequest');
  expect([first.requestId, decodeAuthRequest(first.payload)]).toEqual([
    1,
    { instanceId: 'me', token: 'secret', clientVersion: '1.0.0', features: ['input'] },
  ]);
  host.send('ExecuteRequest', 5, request);
  host.send('AuthResponse', 1, encodeAuthResponse({ success: true, errorMessage: null, sessionId: 's' }));
  host.send('ExecuteRequest', 6, request);
  host.send('Signal', 7, '{"signal":"user","data":"hi"}');
  host.send('Signal', 8, '{"signal":"cancel","task_id":"t"}');
  host.send('Signal', 9, '{"signal":"unknown"}');
  host.send('Signal', 10, '{"signal":"terminate","grace_ms":5}');
  host.send('ExecuteRequest', 11, request);
  await hears('request 11 c');
  expect(told).toEqual(['opened', 'request 6 c', 'signal hi', 'cancel t', 'draining false', 'request 11 c']);
  expect(vi.getTimerCount()).toBe(0);
});

test('a heartbeat is answered with its own id and payload; an echo of the answer is not answered', async () => {
  const { visitOf } = await open();
  const host = await visitOf(1);
  await host.admit();
  for (const [id, payload] of [
    [3, 'a'],
    [3, 'b'],
    [4, 'c'],
  ] as const)
    host.send('Heartbeat', id, payload);
  const answers = [await host.next('Heartbeat'), await host.next('Heartbeat')];
  expect(answers.map(({ requestId, payload }) => [requestId, String(payload)])).toEqual([
    [3, 'a'],
    [4, 'c'],
  ]);
});

test('the last 1,024 heartbeat ids are remembered', async () => {
  const { visitOf } = await open();
  const host = await visitOf(1);
  await host.admit();
  for (let id = 1; id <= 1_025; id += 1) host.send('Heartbeat', id, '');
  host.send('Heartbeat', 2, 'still known');
  host.send('Heartbeat', 1, 'forgotten');
  let last = await host.next('Heartbeat');
  while (last.requestId !== 1_025) last = await host.next('Heartbeat');
  expect(String((await host.next('Heartbeat')).payload)).toBe('forgotten');
});

test('the first retry comes at once, the next ones after a random share of a bound that doubles up to 2 s', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(0.999);
  const set = vi.spyOn(globalThis, 'setTimeout');
  const { visitOf, told } = await open();
  const waits: unknown[] = [];
  for (let n = 1; n <= 8; n += 1) {
    const host = await visitOf(n);
    await host.next('AuthRequest');
    set.mockClear();
    host.socket.destroy();
    while (set.mock.calls.length === 0) await nextTurn();
    waits.push(set.mock.calls[0]![1]);
    vi.advanceTimersByTime(waits.at(-1) as number);
  }
  expect(waits).toEqual([0, 200, 400, 800, 1_599, 1_998, 1_998, 1_998]);
  expect(told).toEqual([]);
});

test('without an answer to its AuthRequest within 10 s the agent closes the connection and connects again', async () => {
  const { visitOf } = await open();
  const first = await visitOf(1);
  await first.next('AuthRequest');
  const closed = once(first.socket, 'close');
  vi.advanceTimersByTime(9_999);
  expect(first.socket.destroyed).toBe(false);
  vi.advanceTimersByTime(1);
  await closed;
  vi.advanceTimersByTime(1);
  await (await visitOf(2)).admit();
});

test('an agent whose instance is already claimed retries; a refused one ends', async () => {
  const { visitOf, hears, told } = await open();
  const first = await visitOf(1);
  await first.next('AuthRequest');
  first.send('AuthResponse', 1, encodeAuthResponse({ success: false, errorMessage: 'already claimed', sessionId: null }));
  await once(first.socket, 'close');
  vi.advanceTimersByTime(0);
  const second = await visitOf(2);
  await second.next('AuthRequest');
  second.send('AuthResponse', 1, encodeAuthResponse({ success: false, errorMessage: 'no', sessionId: null }));
  await hears('ended AUTH_REFUSED: the host refused this token or instance id');
  expect([told.length, vi.getTimerCount()]).toEqual([1, 0]);
});

test.each([30_000, 90_000])(
  'without a session for %i ms, as long as its host waits, the agent gives up, and names the last failure',
  async giveUp => {
    const { visitOf, hears, port } = await open({ giveUp });
    const host = await visitOf(1);
    await host.next('AuthRequest');
    host.send('Error', 1, 'go away');
    host.send('Heartbeat', 1, '');
    await host.next('Heartbeat');
    vi.advanceTimersByTime(9_000);
    vi.advanceTimersByTime(giveUp - 9_001);
    expect(vi.getTimerCount()).not.toBe(0);
    vi.advanceTimersByTime(1);
    await hears(`ended LINK_LOST: no session with 127.0.0.1:${port} within ${giveUp / 1_000} s; the last failure: go away`);
    expect(vi.getTimerCount()).toBe(0);
  },
);

test('a lost session is reported, and the agent reconnects at once', async () => {
  const { visitOf, hears, told } = await open();
  const first = await visitOf(1);
  await first.admit();
  await hears('opened');
  first.socket.destroy();
  const second = await visitOf(2);
  await second.admit();
  while (told.length < 3) await nextTurn();
  expect(told).toEqual(['opened', 'closed', 'opened']);
});

test('a lost session while draining is the end', async () => {
  const { visitOf, hears, told, session } = await open();
  const host = await visitOf(1);
  await host.admit();
  await hears('opened');
  session.dispatch('terminate', true);
  host.socket.destroy();
  await hears('ended false');
  expect(told).toEqual(['opened', 'draining false', 'draining true', 'closed', 'ended false']);
});

test('once drained, the agent closes the connection in order, after all answers are sent', async () => {
  const { visitOf, hears, session } = await open();
  const host = await visitOf(1);
  await host.admit();
  await hears('opened');
  const hungUp = once(host.socket, 'end');
  session.dispatch('terminate');
  session.dispatch('drained');
  await hears('ended false');
  await hungUp;
});

test('a host that is gone ends the session in any state', async () => {
  const waiting = await open();
  waiting.session.dispatch('host.gone');
  await waiting.hears('ended true');
  const serving = await open();
  await (await serving.visitOf(1)).admit();
  await serving.hears('opened');
  serving.session.dispatch('host.gone');
  await serving.hears('ended true');
});

test("a host that sends an agent's message gets an Error, and the connection is closed", async () => {
  const { visitOf } = await open();
  const host = await visitOf(1);
  await host.admit();
  host.send('ExecuteResponse', 1, '{}');
  expect(JSON.parse(String((await host.next('Error')).payload))).toEqual({
    code: 'PROTOCOL_ERROR',
    message: 'a host does not send ExecuteResponse',
  });
  await (await visitOf(2)).admit();
});
