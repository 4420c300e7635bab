// The `input` of a request as a caller may give it: a text, bytes, a file, or a stream.
import { z } from 'zod';

/** What has to be read before the request can be sent. */
export type InputSource = AsyncIterable<string | Uint8Array> | { readonly file: string };

const isIterable = (value: unknown): boolean =>
  typeof (value as { [Symbol.asyncIterator]?: unknown } | null)?.[Symbol.asyncIterator] === 'function';

/** `text`: what can be sent as UTF-8; `path`: what can be the path of a file. */
export const inputSchema = (text: z.ZodType<string>, path: z.ZodType<string>) =>
  z.union([
    text.transform(value => Buffer.from(value)),
    z.instanceof(Uint8Array),
    z.custom<AsyncIterable<string | Uint8Array>>(isIterable, { error: 'must be a text, bytes, a stream, or { file: path }' }),
    z.strictObject({ file: path }),
  ]);
