// The interface through which the effects of an instance use their supervisor, and a helper of these effects.
import type { InstanceContext } from '../../machines/instance-types.ts';
import type { Connection } from '../connection/connection.ts';
import type { RefusalList } from '../connection/refusals.ts';
import type { InstanceRecord } from './record.ts';

export interface InstanceSupervisor {
  /** Throws INTERNAL for an unknown instance. */
  record(instanceId: string): InstanceRecord;
  /** Pending releases of listeners and programs by the system. */
  readonly closing: Set<Promise<void>>;
  /** By instance id: takes over a connection that the shared listener routes to this instance. */
  readonly routes: Map<string, (connection: Connection) => void>;
  /** Refused connections at the shared listener that named no known instance. */
  readonly unrouted: RefusalList;
  spawned(record: InstanceRecord): void;
  openSession(record: InstanceRecord, connection: Connection): void;
  endIncarnation(record: InstanceRecord, context: InstanceContext): void;
  endInstance(record: InstanceRecord, context: InstanceContext): void;
}

/** Registers `dispose` for the case that the chart fails and runs no cleanup. The returned function calls it at most once. */
export function onAbandon(
  { disposers }: InstanceRecord,
  { closing }: InstanceSupervisor,
  dispose: () => Promise<void> | undefined,
): () => void {
  const once = (): void => {
    const closed = disposers.delete(once) ? dispose() : undefined;
    if (closed === undefined) return;
    closing.add(closed);
    void closed.finally(() => closing.delete(closed));
  };
  disposers.add(once);
  return once;
}
