// Several transports as one network: the kind of an address chooses. It opens nothing itself.
import { SpearletError } from '../errors.ts';
import { type Address, formatAddress } from './address.ts';
import type { Network } from './stream.ts';

type Transports<Part> = Readonly<Partial<Record<Address['kind'], Part>>>;

function transportOf<Part>(transports: Transports<Part>, address: Address): Part {
  const found = transports[address.kind];
  if (found !== undefined) return found;
  const kinds = Object.keys(transports).join(', ');
  throw new SpearletError('INVALID_OPTIONS', `the address '${formatAddress(address)}' cannot be used here, expected one of: ${kinds}`);
}

/** What a host takes of a network. Throws INVALID_OPTIONS for an address of another kind. */
export const createListening = (transports: Transports<Pick<Network, 'listen'>>): Pick<Network, 'listen'> => ({
  listen: (at, accepted, origins) => transportOf(transports, at).listen(at, accepted, origins),
});

/** What an agent takes of it. Throws INVALID_OPTIONS for an address of another kind. */
export const createConnecting = (transports: Transports<Pick<Network, 'connect'>>): Pick<Network, 'connect'> => ({
  connect: (at, connected) => transportOf(transports, at).connect(at, connected),
});
