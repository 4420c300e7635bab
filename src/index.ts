// The public entry for hosts: `import { createSpearlet } from 'spearlet'`.
export type { ExitReason, PoolState, StopStage } from '../machines/public-types.ts';
export { commandAgent } from './command-agent.ts';
export { instanceSpecFromConfig } from './config.ts';
export type { Refusal, Refusals } from './connection/refusals.ts';
export { type ErrorCode, type ErrorFacts, errorCodes, type OptionIssue, SpearletError } from './errors.ts';
export type { ExecutionCounts } from './execution/counts.ts';
export type { Execution, ExecutionResult } from './execution/execution.ts';
export type { ExecutionUpdate } from './execution/update.ts';
export type { AgentEnvironment } from './instance/agent-environment.ts';
export type { ExitReport, Instance, InstanceState } from './instance/instance.ts';
export type { LeftoversEnded } from './journal/stale-state.ts';
export type {
  Explained,
  ExplainedConnection,
  ExplainedSession,
  ExplainedState,
  ExplainedTransition,
  Explanation,
  Fact,
  Wait,
} from './observe/explanation.ts';
export type { MemberFacts, PoolExplanation, PoolFacts } from './observe/pool-explanation.ts';
export type { ConnectionStats, InstanceStats, Stats } from './observe/stats.ts';
export type { CallOptions, ExecuteOptions, ExecuteRequestInput, RequestSettings } from './options/execution.ts';
export type {
  ContainmentRequirement,
  ExpectSpec,
  InstanceSpec,
  InstanceStopOptions,
  KillSignal,
  RestartOptions,
  RestartPolicy,
  StartOptions,
  StopOptions,
  Transport,
} from './options/instance.ts';
export type { PoolCallOptions, PoolExecuteOptions, PoolOptions, PoolStopOptions } from './options/pool.ts';
export type { RunOptions, RunResult } from './options/run.ts';
export type {
  BackoffOptions,
  HeartbeatOptions,
  Inspect,
  Logger,
  PortRange,
  RestartIntensity,
  SpearletOptions,
} from './options/spearlet.ts';
export type { Pool, PoolStats, WorkCounts } from './pool/pool.ts';
export type { Times } from './pool/times.ts';
export type { Containment } from './process/containment/containment.ts';
export type { Channel, OutputChunk } from './process/output/output.ts';
export { createSpearlet } from './spearlet.ts';
export type { Expected, Spearlet } from './spearlet-types.ts';
export type { OutputOf, SchemaIssue, SchemaResult, StandardSchema } from './standard-schema.ts';
export type { SpearletEvent } from './supervisor/events.ts';
