// Reads the `input` of a request that is a stream or a file: a request is sent with all its input, so it is read to its end before.
import { createReadStream } from 'node:fs';
import { reasonOf, SpearletError } from '../errors.ts';
import { bounds } from '../limits.ts';
import type { ParsedRequest } from '../option-schemas.ts';
import type { InputSource } from '../request-input.ts';

export const isSource = (input: ParsedRequest['input']): input is InputSource => input !== undefined && !(input instanceof Uint8Array);

const invalid = (message: string, cause?: unknown): SpearletError =>
  new SpearletError('INVALID_OPTIONS', `the input ${message}`, { cause, issues: [{ path: 'input', message }] });

async function readAll(source: InputSource): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of 'file' in source ? createReadStream(source.file) : source) {
      if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array))
        throw invalid(`is a stream of ${typeof chunk}, not of texts or bytes`);
      const bytes = Buffer.from(chunk);
      size += bytes.length;
      if (size > bounds.requestInput)
        throw invalid(
          `has more than ${bounds.requestInput} bytes, which is the bound of a stream or a file: let the program read the file itself`,
        );
      chunks.push(bytes);
    }
  } catch (thrown) {
    throw thrown instanceof SpearletError ? thrown : invalid(`could not be read: ${reasonOf(thrown)}`, thrown);
  }
  return Buffer.concat(chunks, size);
}

/** A pool may execute a request twice, and a stream can be read once. */
const reads = new WeakMap<InputSource, Promise<Uint8Array<ArrayBuffer>>>();

/** Rejects with INVALID_OPTIONS where it cannot be read, or has more bytes than the bound. */
export function readInput(source: InputSource): Promise<Uint8Array<ArrayBuffer>> {
  const begun = reads.get(source) ?? readAll(source);
  reads.set(source, begun);
  return begun;
}
