// The door for authors of agents: `import { serve } from 'spearlet/agent'`. Loads node built-ins and its own few files.
export { SpearletError } from '../errors.ts';
export type { HandlerResult } from './result.ts';
export { type Handler, type HandlerContext, type ServeOptions, serve } from './serve.ts';
export type { Request } from './task.ts';
