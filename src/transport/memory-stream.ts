// One end of a stream in memory: the events and the end of a byte stream over two pipes, as node:net has them. It knows no
// address and no listener.
import type { Clock } from '../world/clock.ts';
import type { Pipe, Receiver, Sender } from './memory-pipe.ts';
import type { ByteStream, ByteStreamEvents } from './stream.ts';

/** The pipe that an end writes to, and the one that it reads from. */
export interface Pipes {
  readonly outgoing: Pipe;
  readonly incoming: Pipe;
}

export interface MemoryEnd {
  readonly stream: ByteStream;
  /** It tells nothing any more, except that it is closed. */
  readonly isOver: boolean;
  readonly sender: Sender;
  readonly receiver: Receiver;
  /** The stream ends for a fault. */
  fail(message: string): void;
}

const RESET = 'read ECONNRESET';
const ENDED = 'closed by the other end';

export function createMemoryEnd(clock: Clock, peer: string, pipes: () => Pipes): MemoryEnd {
  let events: ByteStreamEvents | null = null;
  let isPaused = false;
  /** Nothing more is written. */
  let isEnding = false;
  /** The other end has ended the stream. */
  let isEnded = false;
  /** It was full before it was open: the owner is told of `drained` once it is. */
  let owesDrained = false;
  let end: { orderly: boolean; message: string } | null = null;

  // Never in the turn of the call that closes it.
  const tellClosed = (): void => {
    const [{ closed }, told] = [events!, end!];
    clock.setTimeout(() => closed(told), 0);
  };
  const conclude = (orderly: boolean, message: string): void => {
    if (end !== null) return;
    end = { orderly, message };
    if (events !== null) tellClosed();
    const { outgoing, incoming } = pipes();
    outgoing.abandon();
    incoming.shut();
  };

  return {
    get isOver() {
      return end !== null;
    },
    fail: message => conclude(false, message),
    sender: {
      taken() {
        if (isEnded) conclude(true, ENDED);
        else if (isEnding || end !== null) return;
        else if (events === null) owesDrained = true;
        else events.drained();
      },
    },
    receiver: {
      get reading() {
        return events !== null && !isPaused;
      },
      data: chunk => events!.data(chunk),
      ended() {
        // Half-open streams are not allowed: this end closes, too, after what it has written.
        isEnded = true;
        isEnding = true;
        const { outgoing } = pipes();
        if (outgoing.pending === 0) conclude(true, ENDED);
        else outgoing.finish();
      },
      reset: () => conclude(false, RESET),
      missed: () => pipes().outgoing.refuse(),
    },
    stream: {
      peer,
      get pending() {
        return end === null ? pipes().outgoing.pending : 0;
      },
      open(opened) {
        events = opened;
        if (end !== null) tellClosed();
        else if (owesDrained) clock.setTimeout(() => end ?? opened.drained(), 0);
        pipes().incoming.wake();
      },
      write(frames) {
        return !isEnding && end === null && pipes().outgoing.write(frames);
      },
      pause() {
        isPaused = true;
      },
      resume() {
        isPaused = false;
        pipes().incoming.wake();
      },
      end() {
        if (isEnding) return;
        isEnding = true;
        pipes().outgoing.finish();
      },
      close: () => conclude(isEnded, isEnded ? ENDED : 'closed'),
    },
  };
}
