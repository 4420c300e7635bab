// The address of a listener, of any kind, and its text. It opens nothing: a transport decides which kinds it implements.
import { SpearletError } from '../errors.ts';

export interface TcpAddress {
  readonly kind: 'tcp';
  /** A name or an IP address, without brackets. */
  readonly host: string;
  readonly port: number;
}

export type Address =
  | TcpAddress
  /** The path of a Unix domain socket, from the root. */
  | { readonly kind: 'unix'; readonly path: string }
  /** A descriptor that the process has inherited. */
  | { readonly kind: 'fd'; readonly descriptor: number }
  /** A WebSocket, `ws:` or `wss:`. */
  | { readonly kind: 'ws'; readonly url: string };

const ACCEPTED = 'host:port, [ipv6]:port, unix:/path, fd:number or ws://host:port/';
const MAX_PORT = 65_535;

/** TCP has no scheme, since agents of the first version read `host:port`. */
export function formatAddress(address: Address): string {
  switch (address.kind) {
    case 'tcp':
      return `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
    case 'unix':
      return `unix:${address.path}`;
    case 'fd':
      return `fd:${address.descriptor}`;
    case 'ws':
      return address.url;
  }
}

/** Throws INVALID_OPTIONS that names what is accepted. `name` says in its message where the text stands. */
export function parseAddress(text: string, name = 'the address'): Address {
  // Before host:port, which `fd:3` could be as well.
  const descriptor = /^fd:(\d{1,9})$/.exec(text)?.[1];
  if (descriptor !== undefined) return { kind: 'fd', descriptor: Number(descriptor) };
  const path = /^unix:(\/[^\0]+)$/.exec(text)?.[1];
  if (path !== undefined) return { kind: 'unix', path };
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host !== undefined && Number(port) <= MAX_PORT) return { kind: 'tcp', host, port: Number(port) };
  if (/^wss?:\/\/[^/]/.test(text) && URL.canParse(text)) return { kind: 'ws', url: text };
  throw new SpearletError('INVALID_OPTIONS', `${name} is '${text}', expected ${ACCEPTED}`);
}

export type AddressOf<Kind extends Address['kind']> = Extract<Address, { kind: Kind }>;

/** Returns an address of this kind as it is. Throws INVALID_OPTIONS for every other kind. */
export function requireKind<Kind extends Address['kind']>(address: Address, kind: Kind): AddressOf<Kind> {
  if (address.kind === kind) return address as AddressOf<Kind>;
  throw new SpearletError('INVALID_OPTIONS', `the address '${formatAddress(address)}' is of kind '${address.kind}', expected '${kind}'`);
}
