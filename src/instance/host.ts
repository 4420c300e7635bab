// What the parts of an instance need from the supervisor that they belong to.
import type { InstanceContext } from '../../machines/instance-types.ts';
import type { Connection } from '../connection/connection.ts';
import type { RefusalList } from '../connection/refusals.ts';
import type { InstanceRecord } from './record.ts';

export interface InstanceHost {
  /** Throws INTERNAL where there is no such instance. */
  record(instanceId: string): InstanceRecord;
  /** Listeners and programs that the system is still letting go of. */
  readonly closing: Set<Promise<void>>;
  /** By instance id: what takes the connections that the shared listener routes to that instance. */
  readonly routes: Map<string, (connection: Connection) => void>;
  /** Connections of the shared listener that were refused, where nobody knows which instance they wanted. */
  readonly unrouted: RefusalList;
  spawned(record: InstanceRecord): void;
  sessionOpened(record: InstanceRecord, connection: Connection): void;
  incarnationEnded(record: InstanceRecord, context: InstanceContext): void;
  instanceEnded(record: InstanceRecord, context: InstanceContext): void;
}

/** Keeps `dispose` in case the chart cannot call it; returns it, to be called once. */
export function hold({ held }: InstanceRecord, { closing }: InstanceHost, dispose: () => Promise<void> | undefined): () => void {
  const once = (): void => {
    const closed = held.delete(once) ? dispose() : undefined;
    if (closed === undefined) return;
    closing.add(closed);
    void closed.finally(() => closing.delete(closed));
  };
  held.add(once);
  return once;
}

/** Events carry a code and a message; the hint of what failed goes to the record. */
export function withHint<T>(record: InstanceRecord, effect: () => T): T {
  try {
    return effect();
  } catch (thrown) {
    record.hint = (thrown as { hint?: string }).hint;
    throw thrown;
  }
}
