// The environment variables with which a host tells an agent where to connect and how to prove itself.
import type { ParsedOptions } from '../option-schemas.ts';
import type { InstanceRecord } from './record.ts';

/**
 * The environment variables that an agent needs: address, token, instance id, largest frame (bytes), versions, silence (ms), reconnect
 * window (ms).
 */
export type AgentEnvironment = Readonly<
  Record<
    | 'SPEARLET_ADDR'
    | 'SPEARLET_TOKEN'
    | 'SPEARLET_INSTANCE_ID'
    | 'SPEARLET_MAX_FRAME_BYTES'
    | 'SPEARLET_PROTOCOLS'
    | 'SPEARLET_SILENCE_MS'
    | 'SPEARLET_RECONNECT_MS',
    string
  >
>;

/** @internal */
export const agentEnvironment = (
  { id, address, credentials }: InstanceRecord,
  { maxFrameBytes, protocols, heartbeat, reconnectWindow }: ParsedOptions,
): AgentEnvironment => ({
  SPEARLET_ADDR: address ?? '',
  SPEARLET_TOKEN: credentials.token,
  SPEARLET_INSTANCE_ID: id,
  SPEARLET_MAX_FRAME_BYTES: String(maxFrameBytes),
  SPEARLET_PROTOCOLS: protocols.join(),
  SPEARLET_SILENCE_MS: String(heartbeat.interval * heartbeat.misses),
  SPEARLET_RECONNECT_MS: String(reconnectWindow),
});
