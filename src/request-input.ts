// The `input` of a request as a caller may give it: a text, bytes, a file, or a stream.
import { z } from 'zod';

/** What has to be read before the request can be sent. */
export type InputSource = AsyncIterable<string | Uint8Array> | { readonly file: string };

const isIterable = (value: unknown): boolean =>
  typeof (value as { [Symbol.asyncIterator]?: unknown } | null)?.[Symbol.asyncIterator] === 'function';

/** Also over shared memory, which InstanceType leaves out. */
const anyBytes: abstract new () => Uint8Array = Uint8Array;

/** `text`: what can be sent as UTF-8; `path`: what can be the path of a file. */
export const inputSchema = (text: z.ZodType<string, string>, path: z.ZodType<string, string>) =>
  z.union([
    text.transform(value => Buffer.from(value)),
    z.instanceof(anyBytes),
    z.custom<AsyncIterable<string | Uint8Array>>(isIterable, { error: 'must be a text, bytes, a stream, or { file: path }' }),
    z.strictObject({ file: path }),
  ]);
