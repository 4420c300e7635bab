export interface BreakingProxy {
  readonly port: number;
  readonly ways: readonly string[];
  /** Breaks all connections of an instance, and returns their number. `bytes` is for the ways that need a number. */
  break(instanceId: string, way: string, bytes: number): number;
  resume(instanceId: string): void;
  close(): Promise<void>;
}
export function createProxy(): Promise<BreakingProxy>;
