// What a channel is: messages over a byte stream. Types only; framed-channel.ts makes one.
import type { AgentCodec, AgentReceiver, Codec, HostCodec, HostReceiver } from '../protocol/codec.ts';
import type { Continuity } from './continuity.ts';
import type { SendQueue } from './send-queue.ts';

export interface ChannelEnd {
  readonly code: 'LINK_LOST' | 'PROTOCOL_ERROR' | 'FRAME_TOO_LARGE' | 'AUTH_REFUSED';
  readonly message: string;
}

export interface ChannelEvents {
  /** Called once, last. After a fault of the other end the channel can still send until it is closed. */
  ended(end: ChannelEnd): void;
  /** Reading was paused or goes on. */
  readingPaused?(on: boolean): void;
  /** All that was sent has been taken by the system. */
  drained?(): void;
}

/** Counts of one channel. Times in ms of the clock's `now`. */
export interface ChannelCounts {
  readonly connectedAt: number;
  readonly lastActivity: number;
  readonly messagesSent: number;
  readonly messagesReceived: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly errorCount: number;
}

export interface FramedChannel<Receiver, C extends Codec<Receiver>> {
  /** The address of the other end, for people. */
  readonly peer: string;
  /** Makes the messages that `queue` takes. */
  readonly codec: C;
  /** Messages on their way out: the queue of this connection, and after `adopt` that of the continuity. */
  readonly queue: SendQueue;
  readonly counts: ChannelCounts;
  /** When anything last arrived, or could not arrive because reading was paused. */
  readonly heardAt: number;
  readonly paused: boolean;
  /** Nothing more is read: it has ended, or is about to be closed. */
  readonly over: boolean;
  /** Starts to read. A second call takes the channel over from the first caller. */
  open(receiver: Receiver, events: ChannelEvents): void;
  /** Hands every message from now on to this receiver. */
  deliverTo(receiver: Receiver): void;
  /**
   * Speaks another version from the next frame on, in both directions. Called while a message is handled, or between two: in
   * the midst of a frame it throws PROTOCOL_ERROR.
   */
  use(codec: C): void;
  /**
   * From now on messages go by the queue of this continuity, and those that arrive are counted there. The other end is told how
   * many have arrived. For a codec with `resume`.
   */
  adopt(continuity: Continuity): void;
  /** The other end has this many messages: those that it lacks are sent again, and what waits is sent. */
  resume(received: number): void;
  /** Reads on, and accepts frames up to this many bytes. */
  openFully(maxFrameBytes: number): void;
  /** Counts an error of the other end that does not end the channel. */
  countError(): void;
  /** Hands out no more messages until `resumeReading`, also in the middle of a chunk. */
  pauseReading(): void;
  resumeReading(): void;
  /** Sends an Error on this connection or not at all: the next connection of the epoch does not send it. */
  sendError(code: string, message: string): void;
  /** Ends it for a reason of ours: `ended` is called. */
  end(reason: ChannelEnd): void;
  /** Ends it for a fault of the other end: `ended` is called, and last words can be sent until `close`. */
  fail(thrown: unknown): void;
  /** Ends the stream once all that was sent has gone out, and calls `closed` then. Nothing is read any more. */
  finish(closed: () => void): void;
  /** Writes what waits, as far as the system takes it at once, and ends the stream. */
  close(): void;
}

export type HostChannel = FramedChannel<HostReceiver, HostCodec>;
export type AgentChannel = FramedChannel<AgentReceiver, AgentCodec>;
