// Shared by the situations: a spearlet that is stopped at the end of the test, agents under test, and a peer by which a test
// sends and reads messages itself.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { filter, firstValueFrom, type Observable, take, timeout } from 'rxjs';
import { createWebSocketStream, WebSocket } from 'ws';
import {
  createSpearlet,
  type Instance,
  type InstanceSpec,
  type Spearlet,
  type SpearletError,
  type SpearletEvent,
  type SpearletOptions,
} from '../../src/index.ts';
import type { MessageType, SpearMessage, U64 } from '../../src/protocol/message.ts';
import { createFrameReader } from '../../src/protocol/v1/decoder.ts';
import * as v1 from '../../src/protocol/v1/messages.ts';
import { parseAddress } from '../../src/transport/address.ts';
import { atEnd, remember } from '../census/census.ts';

export const agentFile = (name: string): string => join(import.meta.dirname, '..', 'agents', name);
export const everyday: InstanceSpec = { artifactId: 'everyday', command: process.execPath, args: [agentFile('everyday.js')] };
/** A program that prints its environment to stdout and connects to nothing: the test connects as its agent. */
export const hollow: InstanceSpec = { artifactId: 'hollow', command: process.execPath, args: [agentFile('hollow.js')] };

/** Of specs that name none: `npm run stress -- --only transports` runs the situations over each. */
const transport = process.env.SPEARLET_TEST_TRANSPORT as InstanceSpec['transport'];
/** Agents by hand, which know TCP alone; and a test cannot connect as the agent of a program with an inherited socket. */
const isByHand = ({ args }: InstanceSpec): boolean =>
  /(fleeting|plain|stubborn)\.js|\.sh$/.test(args?.join() ?? '') || (transport === 'fd' && args === hollow.args);

function overTransport(spearlet: Spearlet): Partial<Spearlet> {
  if (transport === undefined) return {};
  return {
    start: (spec, options) => spearlet.start(isByHand(spec) ? spec : { transport, ...spec }, options),
    expect: spec => spearlet.expect(transport === 'fd' ? spec : { transport, ...spec }),
  };
}

/** A spearlet with the events and log lines so far. */
export type TestSpearlet = Spearlet & { readonly events: SpearletEvent[]; readonly log: string[] };

export function openSpearlet(options: SpearletOptions = {}): TestSpearlet {
  const log: string[] = [];
  const levels = ['trace', 'debug', 'info', 'warn', 'error'];
  const logger: Record<string, unknown> = { child: () => logger };
  for (const level of levels) logger[level] = (facts: object, message: string) => log.push(JSON.stringify({ level, message, ...facts }));
  const spearlet = createSpearlet({ logger: logger as never, ports: 0, ...options });
  const events: SpearletEvent[] = [];
  spearlet.events$.subscribe(event => {
    events.push(event);
    if (event.instanceId !== null) remember(event.instanceId);
  });
  atEnd(() => spearlet.stop({ grace: 0 }));
  return Object.assign(Object.create(spearlet), { events, log, ...overTransport(spearlet) }) as TestSpearlet;
}

/** The error with which a promise rejects. Throws if it resolves. */
export async function failureOf(promise: Promise<unknown>): Promise<SpearletError> {
  const value = await promise.then(
    result => ({ result }),
    (error: SpearletError) => error,
  );
  if ('result' in value) throw new Error(`expected a rejection, got ${JSON.stringify(value.result)}`);
  return value;
}

/** The first value that matches. Rejects after 20 s without one. */
export const seen = <T>(source$: Observable<T>, matches: (value: T) => boolean): Promise<T> =>
  firstValueFrom(source$.pipe(filter(matches), take(1), timeout(20_000)));

/** Resolves when the condition holds. Rejects after about 20 s. */
export async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries += 1) {
    if (tries > 4_000) throw new Error(`the condition does not hold in time: ${holds}`);
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}

/** Starts a hollow program, and returns the environment of its agent. `ready` is the promise of start(). */
export async function startHollow(spearlet: TestSpearlet, spec: Partial<InstanceSpec> = {}) {
  const ready = spearlet.start({ ...hollow, ...spec });
  ready.catch(() => {});
  const spawned = (await seen(spearlet.events$, event => event.type === 'instance.spawned')) as { instanceId: string };
  const instance = spearlet.get(spawned.instanceId) as Instance;
  let text = '';
  await seen(instance.output$, chunk => {
    if (chunk.channel === 'stdout') text += chunk.text;
    return text.includes('\n');
  });
  return { ready, instance, environment: JSON.parse(text.slice(0, text.indexOf('\n'))) as Record<string, string> };
}

/** One end of a connection, whose messages a test sends and reads itself. */
export interface HandPeer {
  readonly socket: Socket;
  /** All messages so far. */
  readonly received: SpearMessage[];
  send(type: MessageType, requestId: U64, payload: string | Uint8Array): void;
  /** The next message of this type that next() has not returned yet. */
  next(type: MessageType): Promise<SpearMessage>;
  closed: Promise<void>;
  close(): void;
  /** Over TCP with a reset; no other transport has one. */
  reset(): void;
}

/** Hands over each message, with a payload of its own. */
export const readV1 = (received: (message: SpearMessage) => void) =>
  createFrameReader(2 ** 26, body => {
    const message = v1.decodeMessage(body);
    received({ ...message, payload: Buffer.from(message.payload) });
  });

/** Decodes what arrives on a socket, and destroys the socket at the end of the test. */
export function handPeer(
  socket: Socket,
  reading: (received: (message: SpearMessage) => void) => { push(chunk: Buffer): void } = readV1,
): HandPeer {
  atEnd(() => void socket.destroy());
  socket.on('error', () => {});
  const received: SpearMessage[] = [];
  const taken: SpearMessage[] = [];
  const waiters = new Set<() => void>();
  const reader = reading(message => void received.push(message));
  socket.on('data', chunk => {
    reader.push(chunk);
    for (const wake of [...waiters]) wake();
  });
  const closed = new Promise<void>(resolve => socket.once('close', () => resolve()));
  void closed.then(() => {
    for (const wake of [...waiters]) wake();
  });
  return {
    socket,
    received,
    closed,
    send: (type, requestId, payload) => void socket.write(v1.encodeFrame(type, requestId, { secs: 1, nanos: 0 }, payload)),
    async next(type) {
      for (;;) {
        const found = received.find(each => each.type === type && !taken.includes(each));
        if (found !== undefined) {
          taken.push(found);
          return found;
        }
        if (socket.destroyed) throw new Error(`closed before ${type}; received ${received.map(each => each.type).join(', ') || 'nothing'}`);
        await new Promise<void>(resolve => {
          const wake = (): void => {
            waiters.delete(wake);
            resolve();
          };
          waiters.add(wake);
        });
      }
    },
    close: () => void socket.destroy(),
    reset: () => void (socket.remoteAddress === undefined ? socket.destroy() : socket.resetAndDestroy()),
  };
}

export async function dial(address: string): Promise<HandPeer> {
  const at = parseAddress(address);
  if (at.kind === 'ws') {
    const webSocket = new WebSocket(at.url);
    const stream = createWebSocketStream(webSocket);
    // It has no half-open end, and behaves as a socket does otherwise.
    stream.on('end', () => stream.destroy());
    const peer = handPeer(stream as never as Socket);
    await once(webSocket, 'open');
    return peer;
  }
  if (at.kind === 'fd') throw new Error(`nobody can connect to ${address}`);
  const socket = connect(at.kind === 'unix' ? { path: at.path } : { host: at.host, port: at.port });
  const peer = handPeer(socket);
  await once(socket, 'connect');
  return peer;
}

export const authRequest = (environment: Record<string, string>, changes: Partial<{ instanceId: string; token: string }> = {}): string =>
  v1.encodeAuthRequest({
    instanceId: environment.SPEARLET_INSTANCE_ID!,
    token: environment.SPEARLET_TOKEN!,
    clientVersion: '1.0.0',
    ...changes,
  });

/** Connects and authenticates as the agent of a hollow program. */
export async function joinAs(environment: Record<string, string>): Promise<HandPeer> {
  const peer = await dial(environment.SPEARLET_ADDR!);
  peer.send('AuthRequest', 1, authRequest(environment));
  const answer = v1.decodeAuthResponse((await peer.next('AuthResponse')).payload);
  if (!answer.success) throw new Error(`refused: ${answer.errorMessage}`);
  return peer;
}

/** The arguments of send() for a Completed response to a request. */
export const complete = (request: SpearMessage, output: string): [MessageType, U64, string] => [
  'ExecuteResponse',
  request.requestId,
  v1.encodeExecuteResponse({
    taskId: v1.decodeExecuteRequest(Buffer.from(request.payload)).taskId,
    status: 'Completed',
    output,
    error: null,
    exitCode: 0,
  }),
];

/** The command agent, as `spearlet agent` runs it. */
export const cli = join(import.meta.dirname, '..', '..', 'dist', 'src', 'cli', 'main.js');
export const commandAgent = { artifactId: 'command', command: process.execPath, args: [cli, 'agent'] } satisfies InstanceSpec;
