// The state of the answers to one execution. Types only.
import type { U64 } from '../protocol/message.ts';
import type { Pieces } from '../protocol/pieces.ts';
import type { Answer } from './result.ts';

/** Which answers of one execution were sent. */
export interface Delivery {
  readonly requestId: U64;
  readonly taskId: string;
  /** The number of the session that brought the request. */
  readonly session: number;
  startedSent: boolean;
  /** Bytes of Running output that were given to a channel, as UTF-8. Signals are no output. */
  sentBytes: number;
  /** Output is sent while this is above 0, in bytes. */
  credit: number;
  /** The answers that wait for credit, and those behind them. */
  waiting: QueuedAnswer[];
}

/** An output or a result that was not given to a channel yet. */
export interface QueuedAnswer {
  readonly delivery: Delivery;
  readonly answer: Answer;
  readonly outputBytes: number;
  /** The frame of the answer for the session of its request. Null: not encoded yet. */
  readonly frame: Buffer | Pieces | null;
  readonly sent: () => void;
}
