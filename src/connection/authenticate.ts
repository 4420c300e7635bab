// The effect `authenticate`: asks whether a connection belongs to the program that was given the token.
import { fromPromise } from 'xstate';
import type { ConnectionName, Verdict } from '../../machines/connection.ts';
import type { Random } from '../world/random.ts';
import type { Connection } from './connection.ts';
import { type Credentials, createEpochs, newCredentials, verdictOf } from './handshake.ts';

export interface AuthenticateDeps {
  readonly random: Random;
  /** The versions of the wire that the host speaks, the highest last. */
  readonly protocols: readonly number[];
  connection(name: ConnectionName): Connection;
  /** The credentials of the instance that a connection names. Null: there is none. */
  credentials(connection: Connection): Credentials | null;
}

export function authenticate({ random, protocols, connection: find, credentials }: AuthenticateDeps) {
  const terms = { protocols, random, epochs: createEpochs() };
  return fromPromise<Verdict, ConnectionName>(({ input }) => {
    const connection = find(input);
    // An unknown instance is compared with credentials that nobody knows, and takes as long.
    const expected = credentials(connection) ?? newCredentials(connection.auth?.instanceId ?? '', random.token());
    const verdict = verdictOf(connection, expected, terms);
    return Promise.resolve(verdict.verdict === 'genuine' && connection.instanceId === null ? { verdict: 'routed' } : verdict);
  });
}
