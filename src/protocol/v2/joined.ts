// One buffer in which the parts of a large body are joined, again and again.

/** Larger bodies get a buffer of their own, in bytes. */
const MAX_REUSED = 2 * 2 ** 20;
/** One for all connections, because a body is read as soon as it is joined. Null while one is read, or before the first. */
let reused: Buffer | null = null;

/** The bytes of the parts, in a buffer that may be longer. */
export function join(parts: readonly Buffer[], bytes: number): Buffer {
  let buffer = reused;
  reused = null;
  if (buffer === null || buffer.length < bytes) buffer = Buffer.allocUnsafeSlow(bytes);
  let at = 0;
  for (const part of parts) at += part.copy(buffer, at);
  return buffer;
}

/** A new buffer for each body would make V8 collect garbage often. Not called for a body that could not be read: its buffer is dropped. */
export function reuse(buffer: Buffer): void {
  if (buffer.length <= MAX_REUSED) reused = buffer;
}
