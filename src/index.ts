// The door for embedders.
export { type ErrorCode, errorCodes, SpearletError } from './errors.ts';
