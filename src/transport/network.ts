// Several transports as one network: the kind of an address chooses. It opens nothing itself.
import { SpearletError } from '../errors.ts';
import { type Address, formatAddress } from './address.ts';
import type { Network } from './stream.ts';

/** Throws INVALID_OPTIONS for an address of another kind. */
export function createNetwork(transports: Readonly<Partial<Record<Address['kind'], Network>>>): Network {
  const transportOf = (address: Address): Network => {
    const found = transports[address.kind];
    if (found !== undefined) return found;
    const kinds = Object.keys(transports).join(', ');
    throw new SpearletError('INVALID_OPTIONS', `the address '${formatAddress(address)}' cannot be used here, expected one of: ${kinds}`);
  };
  return {
    listen: (at, accepted, origins) => transportOf(at).listen(at, accepted, origins),
    connect: (at, connected) => transportOf(at).connect(at, connected),
  };
}
