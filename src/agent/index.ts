// The entry for authors of agents: `import { serve } from 'spearlet/agent'`. It loads only node built-ins and a few own files,
// so that an agent starts fast.
export { SpearletError } from '../errors.ts';
export type { RequestSettings } from '../options/execution.ts';
export type { OutputOf, SchemaIssue, SchemaResult, StandardSchema } from '../standard-schema.ts';
export type { AgentRequest, AgentRequest as Request, Handler, HandlerContext, WriteOptions } from './handler.ts';
export type { HandlerResult } from './result.ts';
export { type ServeOptions, serve } from './serve.ts';
export { handler } from './typed.ts';
