// A host without spearlet: it starts one agent, accepts its connections one by one, and sends what the test wants.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import * as v1 from '../../src/protocol/v1/messages.ts';
import { atEnd } from '../census/census.ts';
import { agentFile, type HandPeer, handPeer } from '../situations/world.ts';

export interface HandHost {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  /** The next connection of the agent. It has sent its AuthRequest and waits for the answer. */
  connection(): Promise<HandPeer>;
  /** The next connection of the agent, authenticated. */
  session(): Promise<HandPeer>;
  /** Sends a message to the agent without a connection, and waits for its reply. */
  tell(message: object): Promise<unknown>;
  /** Closes the listener and its waiting connections. */
  close(): void;
}

export const admit = (peer: HandPeer): void =>
  peer.send('AuthResponse', 1, v1.encodeAuthResponse({ success: true, errorMessage: null, sessionId: 's' }));

export const execute = (peer: HandPeer, requestId: number, taskId: string, command: string, ...args: string[]): void =>
  peer.send('ExecuteRequest', requestId, v1.encodeExecuteRequest({ taskId, command, args, env: new Map() }));

/** The payload of the next ExecuteResponse. */
export const answer = async (peer: HandPeer): Promise<string> => (await peer.next('ExecuteResponse')).payload.toString();

/** A host that knows wire v1 only: it sets no SPEARLET_PROTOCOLS. */
export const openHost = (agent: string, ...args: string[]): Promise<HandHost> => openHostWith({}, agent, ...args);

export async function openHostWith(environment: Readonly<Record<string, string>>, agent: string, ...args: string[]): Promise<HandHost> {
  const sockets: Socket[] = [];
  const server = createServer(socket => {
    sockets.push(socket);
    server.emit('arrived');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const child = spawn(process.execPath, [agentFile(agent), ...args], {
    stdio: ['pipe', 'ignore', 'inherit', 'ipc'],
    env: {
      PATH: process.env.PATH,
      SPEARLET_ADDR: `127.0.0.1:${(server.address() as AddressInfo).port}`,
      SPEARLET_TOKEN: 'token',
      SPEARLET_INSTANCE_ID: `by-hand-${process.pid}`,
      ...environment,
    },
  });
  const exited = new Promise<number | null>(resolve => child.once('exit', resolve));
  const close = (): void => {
    for (const socket of sockets.splice(0)) socket.destroy();
    server.close();
  };
  atEnd(async () => {
    close();
    child.kill('SIGKILL');
    await exited;
    child.stdin?.destroy();
  });
  const connection = async (): Promise<HandPeer> => {
    while (sockets.length === 0) await once(server, 'arrived');
    const peer = handPeer(sockets.shift()!);
    await peer.next('AuthRequest');
    return peer;
  };
  return {
    child,
    exited,
    connection,
    async session() {
      const peer = await connection();
      admit(peer);
      return peer;
    },
    async tell(message) {
      const said = once(child, 'message');
      child.send(message);
      return (await said)[0];
    },
    close,
  };
}
