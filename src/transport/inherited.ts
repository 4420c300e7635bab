// An inherited socket as a network: one end of a socket pair that the host makes when it starts the program. It can be opened once,
// and nobody listens to it.
import { fstatSync } from 'node:fs';
import { Socket } from 'node:net';
import { reasonOf, SpearletError } from '../errors.ts';
import { formatAddress, requireKind } from './address.ts';
import { socketStream } from './socket.ts';
import type { Network } from './stream.ts';

/** The first descriptor after stdin, stdout and stderr. */
export const INHERITED = 3;

/** Node may have given the number of a closed descriptor to another file. */
const opened = new Set<number>();

function openSocket(descriptor: number): Socket {
  if (opened.has(descriptor)) throw new Error('it was opened before');
  if (!fstatSync(descriptor).isSocket()) throw new Error('it is no socket');
  const socket = new Socket({ fd: descriptor, readable: true, writable: true });
  opened.add(descriptor);
  return socket;
}

const notOpened = (name: string, because: unknown): SpearletError =>
  new SpearletError('INVALID_OPTIONS', `the inherited socket '${name}' cannot be opened: ${reasonOf(because)}`, {
    cause: because,
    hint: 'Only the program that the host has started has this socket, not its children.',
  });

export const inherited: Network = {
  listen: at => {
    throw notOpened(formatAddress(at), 'nobody can connect to it');
  },
  /** Throws INVALID_OPTIONS where the descriptor is no socket, or was opened before. */
  connect(at, connected) {
    const { descriptor } = requireKind(at, 'fd');
    const name = formatAddress(at);
    let socket: Socket;
    try {
      socket = openSocket(descriptor);
    } catch (cause) {
      throw notOpened(name, cause);
    }
    setImmediate(connected);
    return socketStream(socket, name);
  },
};
