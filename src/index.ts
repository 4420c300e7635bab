// The door for embedders: `import { createSpearlet } from 'spearlet'`.
export { instanceSpecFromConfig } from './config.ts';
export { type ErrorCode, type ErrorFacts, errorCodes, type OptionIssue, SpearletError } from './errors.ts';
export type {
  ExecuteOptions,
  ExecuteRequestInput,
  ExpectSpec,
  InstanceSpec,
  SpearletOptions,
  StartOptions,
  StopOptions,
} from './options.ts';
export type { Containment } from './runtime/containment.ts';
export type { SpearletEvent } from './runtime/engine.ts';
export type { Execution, ExecutionResult } from './runtime/execution.ts';
export type { ExplainedConnection, ExplainedState, ExplainedTransition, Explanation, Wait } from './runtime/explanation.ts';
export type { ExitReport, Instance, InstanceState } from './runtime/instance.ts';
export type { Refusal, Refusals } from './runtime/refusals.ts';
export type { ConnectionStats, InstanceStats, Stats } from './runtime/stats.ts';
export type { ExecutionUpdate } from './runtime/updates.ts';
export { createSpearlet, type Expected, type Spearlet } from './spearlet.ts';
