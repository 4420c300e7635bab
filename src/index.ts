// The public entry for hosts: `import { createSpearlet } from 'spearlet'`.
export { commandAgent } from './command-agent.ts';
export { instanceSpecFromConfig } from './config.ts';
export type { Refusal, Refusals } from './connection/refusals.ts';
export { type ErrorCode, type ErrorFacts, errorCodes, type OptionIssue, SpearletError } from './errors.ts';
export type { CallOptions } from './execution/call.ts';
export type { Execution, ExecutionResult } from './execution/execution.ts';
export type { ExecutionUpdate } from './execution/update.ts';
export type { Expected, Spearlet } from './host.ts';
export type { ExitReport, Instance, InstanceState } from './instance/instance.ts';
export type { ExplainedConnection, ExplainedState, ExplainedTransition, Explanation, Wait } from './observe/explanation.ts';
export type { MemberFacts, PoolExplanation, PoolFacts } from './observe/pool-explanation.ts';
export type { ConnectionStats, InstanceStats, Stats } from './observe/stats.ts';
export type {
  ExecuteOptions,
  ExecuteRequestInput,
  ExpectSpec,
  InstanceSpec,
  InstanceStopOptions,
  RestartOptions,
  SpearletOptions,
  StartOptions,
  StopOptions,
} from './options.ts';
export type { PoolExecuteOptions, PoolOptions, PoolStopOptions } from './pool/options.ts';
export type { Pool, PoolCallOptions, PoolStats } from './pool/pool.ts';
export type { Times } from './pool/times.ts';
export type { Containment } from './process/containment/containment.ts';
export type { RunOptions, RunResult } from './run.ts';
export { createSpearlet } from './spearlet.ts';
export type { OutputOf, SchemaIssue, SchemaResult, StandardSchema } from './standard-schema.ts';
export type { SpearletEvent } from './supervisor/events.ts';
