// The environment variables with which a host tells an agent where to connect, and those that the agent's children get.
import { SpearletError } from '../errors.ts';
import { DEFAULT_HEARTBEAT, DEFAULT_MAX_FRAME_BYTES } from '../limits.ts';
import { type Address, parseAddress } from '../transport/address.ts';

/** The address of the host, and the credentials of the agent. */
export interface HostEndpoint {
  readonly address: Address;
  readonly token: string;
  readonly instanceId: string;
  /** The largest frame that the host reads or sends, in bytes. */
  readonly maxFrameBytes: number;
  /** How long the host may not be heard on wire v2, in ms. */
  readonly silence: number;
  /** How long the agent tries to open a session, in ms. */
  readonly giveUp: number;
  /** The versions of the wire that both may speak. */
  readonly protocols: readonly number[];
}

/** Of a host with default options, in ms. */
const DEFAULT_SILENCE = DEFAULT_HEARTBEAT.interval * DEFAULT_HEARTBEAT.misses;
/** The shortest time in which an agent gives up to reach its host, in ms: longer, where the host waits longer. */
const LEAST_GIVE_UP = 30_000;
/** The versions of the wire that this SDK speaks. */
const SPOKEN = [1, 2];

/** Throws INVALID_OPTIONS with the name of a missing or wrong variable. */
export function readHostEndpoint(environment: Record<string, string | undefined>): HostEndpoint {
  const read = (name: string): string => {
    const value = environment[name];
    if (value) return value;
    throw new SpearletError('INVALID_OPTIONS', `${name} is not set: a spearlet host sets it when it starts an agent`, {
      hint: 'Start this program with `spearlet.start()` or `spearlet exec`, or pass it the environment of `spearlet.expect()`.',
    });
  };
  const address = parseAddress(read('SPEARLET_ADDR'), 'SPEARLET_ADDR');
  const bound = environment.SPEARLET_MAX_FRAME_BYTES;
  // A host that is not spearlet may not set it.
  const maxFrameBytes = bound ? Number(bound) : DEFAULT_MAX_FRAME_BYTES;
  if (!Number.isSafeInteger(maxFrameBytes) || maxFrameBytes < 1)
    throw new SpearletError('INVALID_OPTIONS', `SPEARLET_MAX_FRAME_BYTES is '${bound}', expected a number of bytes`);
  return {
    maxFrameBytes,
    silence: Number(environment.SPEARLET_SILENCE_MS) || DEFAULT_SILENCE,
    giveUp: Math.max(LEAST_GIVE_UP, Number(environment.SPEARLET_RECONNECT_MS) || 0),
    protocols: commonVersions(environment.SPEARLET_PROTOCOLS),
    address,
    token: read('SPEARLET_TOKEN'),
    instanceId: read('SPEARLET_INSTANCE_ID'),
  };
}

/** Throws VERSION_MISMATCH. A host that states no version speaks v1. */
function commonVersions(stated: string | undefined): number[] {
  const offered = (stated ?? '1').split(',').map(Number);
  const common = SPOKEN.filter(version => offered.includes(version));
  if (common.length > 0) return common;
  throw new SpearletError('VERSION_MISMATCH', `the host speaks wire ${JSON.stringify(stated)}, this agent ${SPOKEN.join(', ')}`, {
    hint: 'Use the same version of spearlet on both sides.',
  });
}

/**
 * The environment of a child: the agent's own without the token, plus the requested variables. A request cannot change the
 * ids: the host finds the processes of an instance by them, and the agent the processes of an execution. If this agent runs
 * inside an execution of another agent, the id of the outer execution comes first.
 */
export function environmentOfChild(
  own: Record<string, string | undefined>,
  requested: Readonly<Record<string, string>>,
  executionId?: string,
): Record<string, string | undefined> {
  const environment: Record<string, string | undefined> = Object.assign(Object.create(null), own, requested);
  delete environment.SPEARLET_TOKEN;
  for (const name of ['SPEARLET_INSTANCE_ID', 'SPEARLET_OUTER_INSTANCE_IDS', 'SPEARLET_EXECUTION_ID']) {
    delete environment[name];
    if (own[name] !== undefined) environment[name] = own[name];
  }
  if (executionId !== undefined) environment.SPEARLET_EXECUTION_ID = [own.SPEARLET_EXECUTION_ID ?? [], executionId].flat().join(' ');
  return environment;
}
