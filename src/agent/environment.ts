// What the host tells an agent through its environment, and what of it the agent's children get.
import { SpearletError } from '../errors.ts';
import { parseAddress, requireTcp } from '../transport/address.ts';

export interface Invitation {
  readonly host: string;
  readonly port: number;
  readonly token: string;
  readonly instanceId: string;
  /** The largest frame that the host reads, and sends, in bytes. */
  readonly maxFrameBytes: number;
}

/** Reads what the host says of itself and of its agent. Throws INVALID_OPTIONS that names what is missing or wrong. */
export function readInvitation(environment: Record<string, string | undefined>): Invitation {
  const read = (name: string): string => {
    const value = environment[name];
    if (value) return value;
    throw new SpearletError('INVALID_OPTIONS', `${name} is not set: an agent is started by a spearlet host, which sets it`, {
      hint: 'Start this program with `spearlet.start()` or `spearlet exec`, or give it the environment of `spearlet.expect()`.',
    });
  };
  const { host, port } = requireTcp(parseAddress(read('SPEARLET_ADDR'), 'SPEARLET_ADDR'), 'SPEARLET_ADDR');
  const bound = environment.SPEARLET_MAX_FRAME_BYTES;
  // Whoever speaks for the host by hand may not tell it: then it is the default of the wire.
  const maxFrameBytes = bound ? Number(bound) : 32 * 2 ** 20;
  if (!Number.isSafeInteger(maxFrameBytes) || maxFrameBytes < 1)
    throw new SpearletError('INVALID_OPTIONS', `SPEARLET_MAX_FRAME_BYTES is '${bound}', expected a number of bytes`);
  return {
    maxFrameBytes,
    host,
    port,
    token: read('SPEARLET_TOKEN'),
    instanceId: read('SPEARLET_INSTANCE_ID'),
  };
}

/**
 * What a child of this agent gets: all but the token, plus what was asked for. Whatever that says, the ids stay: by them
 * the host finds what belongs to the instance, and the agent what belongs to an execution, wherever it went. An agent
 * inside an execution of another agent keeps that one's id before its own.
 */
export function environmentOfChild(
  own: Record<string, string | undefined>,
  asked: Readonly<Record<string, string>>,
  executionId?: string,
): Record<string, string | undefined> {
  const environment: Record<string, string | undefined> = Object.assign(Object.create(null), own, asked);
  delete environment.SPEARLET_TOKEN;
  for (const name of ['SPEARLET_INSTANCE_ID', 'SPEARLET_OUTER_INSTANCE_IDS', 'SPEARLET_EXECUTION_ID']) {
    delete environment[name];
    if (own[name] !== undefined) environment[name] = own[name];
  }
  if (executionId !== undefined) environment.SPEARLET_EXECUTION_ID = [own.SPEARLET_EXECUTION_ID ?? [], executionId].flat().join(' ');
  return environment;
}
