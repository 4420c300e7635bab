// A relay between an agent and its host that records every byte of both directions, and a search for a secret in them.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type Socket } from 'node:net';
import { atEnd } from '../census/census.ts';

export interface Relay {
  readonly address: string;
  /** By connection, in order: what the agent has sent, and what the host has sent. */
  readonly connections: readonly { readonly agent: Buffer; readonly host: Buffer }[];
  /** Cuts all connections. */
  cut(): void;
}

export async function openRelay(address: string): Promise<Relay> {
  const connections: { agent: Buffer; host: Buffer }[] = [];
  const sockets = new Set<Socket>();
  const [host, port] = address.split(':');
  const server = createServer(agentSide => {
    const hostSide = connect({ host: host!, port: Number(port) });
    const recorded = { agent: Buffer.alloc(0), host: Buffer.alloc(0) };
    connections.push(recorded);
    for (const [from, to, name] of [
      [agentSide, hostSide, 'agent'],
      [hostSide, agentSide, 'host'],
    ] as const) {
      sockets.add(from);
      from.on('error', () => {});
      from.on('data', chunk => {
        recorded[name] = Buffer.concat([recorded[name], chunk]);
        to.write(chunk);
      });
      from.on('close', () => to.destroy());
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise(closed => server.close(closed));
  });
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections,
    cut() {
      for (const socket of sockets) socket.destroy();
      sockets.clear();
    },
  };
}

const reversed = (bytes: Buffer): Buffer => Buffer.from(bytes).reverse();

/** The encodings in which these bytes contain the secret. */
export function encodingsOf(secret: Buffer, bytes: Buffer): string[] {
  const forms: [string, Buffer | string][] = [
    ['raw', secret],
    ['reversed', reversed(secret)],
    ...(['hex', 'base64', 'base64url'] as const).map((encoding): [string, string] => [
      encoding,
      secret.toString(encoding).replace(/=+$/, ''),
    ]),
    ['upper hex', secret.toString('hex').toUpperCase()],
    ['numbers', [...secret].join(',')],
    ['numbers with spaces', [...secret].join(', ')],
  ];
  return forms.flatMap(([name, form]) => [
    ...(bytes.includes(form) ? [name] : []),
    ...(bytes.includes(reversed(Buffer.from(form))) ? [`${name}, reversed`] : []),
  ]);
}
