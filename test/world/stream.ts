// One end of a byte stream that is nowhere: what is written to it is kept, and the test says what arrives.
import type { ByteStream, ByteStreamEvents } from '../../src/transport/stream.ts';

export interface HandStream extends ByteStream {
  /** What was written, one entry for each call of `write`. */
  readonly writes: Buffer[][];
  /** What else was asked of it, in order. */
  readonly calls: string[];
  /** The system takes no more for now. */
  full: boolean;
  /** Bytes that the system has not taken yet. */
  pending: number;
  readonly events: ByteStreamEvents;
}

export function handStream(): HandStream {
  let events: ByteStreamEvents | null = null;
  return {
    peer: 'a test',
    writes: [],
    calls: [],
    full: false,
    pending: 0,
    get events() {
      return events!;
    },
    open(opened) {
      events = opened;
    },
    write(frames) {
      this.writes.push([...frames]);
      return !this.full;
    },
    pause() {
      this.calls.push('pause');
    },
    resume() {
      this.calls.push('resume');
    },
    end() {
      this.calls.push('end');
    },
    close() {
      this.calls.push('close');
    },
  };
}
