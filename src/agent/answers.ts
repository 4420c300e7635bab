// The answers of an agent on their way to its host, over links that come and go: in order, and held back while the link
// is full or there is none. It knows nothing of handlers.

import type { Link } from '../connection/framed-channel.ts';
import { reasonOf } from '../errors.ts';
import type { U64 } from '../protocol/message.ts';
import { encodeExecuteResponse } from '../protocol/v1/codec.ts';
import { type Answer, failed } from './result.ts';
import { needsMoreThan } from './text.ts';

/** Above so many unsent bytes on the link, outputs and results wait here. */
const HIGH_WATER = 256 * 1024;
/** Results kept for a host that may have missed them: it drops what it has already. A count and UTF-16 units. */
const KEPT_RESULTS = 64;
const KEPT_SIZE = 2 ** 20;

/** How far the answers of one execution have come. */
export interface Delivery {
  readonly requestId: U64;
  readonly taskId: string;
  /** The session that brought the request, by number. */
  readonly session: number;
  announced: boolean;
  /** The bytes of Running output that were handed to a link, as UTF-8. */
  sentBytes: number;
}

/** An output or a result that no link has been given yet. */
interface Waiting {
  readonly delivery: Delivery;
  readonly answer: Answer;
  readonly outputBytes: number;
  /** Its encoding in the session of its request, where that was needed already. */
  readonly payload: string | null;
  readonly sent: () => void;
}

export interface Answers {
  /** Outputs and results that no link has been given yet. */
  readonly waiting: number;
  delivery(requestId: U64, taskId: string): Delivery;
  started(delivery: Delivery): void;
  /** Resolves once a link was given it: then there is room for more. */
  output(delivery: Delivery, text: string): Promise<void>;
  /** The last answer of an execution. One that cannot be sent becomes a Failed that says why. */
  result(delivery: Delivery, answer: Answer): void;
  /** A session is open: the host learns what still runs, then what it may have missed, then what waits. */
  attach(link: Link, running: Iterable<Delivery>): void;
  detach(): void;
  /** Hands out what waits, as far as there is room. */
  relieve(): void;
  /** Nothing will be sent any more: nobody waits for it. */
  close(): void;
}

/** `idle` is called when the last answer that waited was handed out. */
export function createAnswers(maxFrameBytes: number, idle: () => void): Answers {
  let link: Link | null = null;
  let session = 0;
  let queue: Waiting[] = [];
  const kept: { readonly delivery: Delivery; readonly answer: Answer; readonly size: number }[] = [];
  let keptSize = 0;

  /**
   * What went into a link that was lost may never have arrived, and the host cannot count what it has not received. So from
   * the next session on each answer says how many bytes of output came before it.
   */
  const encode = ({ taskId, session: asked, sentBytes }: Delivery, answer: Answer): string =>
    encodeExecuteResponse(asked === session ? { taskId, ...answer } : { taskId, ...answer, outputOffset: sentBytes });

  const send = (delivery: Delivery, answer: Answer, encoded: string | null = null): number => {
    const payload = delivery.session === session && encoded !== null ? encoded : encode(delivery, answer);
    link?.send('ExecuteResponse', delivery.requestId, payload, room);
    return payload.length;
  };

  const announce = (delivery: Delivery): void => {
    delivery.announced = true;
    send(delivery, { status: 'Started', output: null, error: null, exitCode: null });
  };
  const started = (delivery: Delivery): void => {
    // Without a link the next session begins with it.
    if (!delivery.announced && link !== null) announce(delivery);
  };

  const keep = (delivery: Delivery, answer: Answer, size: number): void => {
    kept.push({ delivery, answer, size });
    keptSize += size;
    while (kept.length > KEPT_RESULTS || (keptSize > KEPT_SIZE && kept.length > 1)) keptSize -= kept.shift()!.size;
  };

  const relieve = (): void => {
    let handed = 0;
    while (link !== null && handed < queue.length && link.pending <= HIGH_WATER) {
      const { delivery, answer, outputBytes, payload, sent } = queue[handed]!;
      handed += 1;
      const size = send(delivery, answer, payload);
      delivery.sentBytes += outputBytes;
      if (answer.status !== 'Running') keep(delivery, answer, size);
      sent();
    }
    if (handed === 0) return;
    queue.splice(0, handed);
    if (queue.length === 0) idle();
  };
  const room = { written: relieve };

  /** An answer that the host could not read would cost the connection, again and again: a Failed takes its place. */
  const sendable = (delivery: Delivery, answer: Answer): { answer: Answer; payload: string | null } => {
    try {
      const payload = encode(delivery, answer);
      if (!needsMoreThan(payload, maxFrameBytes)) return { answer, payload };
      return { answer: failed('the answer is too large for one message: send it in pieces, with write()'), payload: null };
    } catch (thrown) {
      return { answer: failed(reasonOf(thrown)), payload: null };
    }
  };

  return {
    get waiting() {
      return queue.length;
    },
    delivery: (requestId, taskId) => ({ requestId, taskId, session, announced: false, sentBytes: 0 }),
    started,
    output(delivery, text) {
      started(delivery);
      const answer: Answer = { status: 'Running', output: text, error: null, exitCode: null };
      return new Promise(sent => {
        queue.push({ delivery, answer, outputBytes: Buffer.byteLength(text), payload: null, sent });
        relieve();
      });
    },
    result(delivery, answer) {
      queue.push({ delivery, ...sendable(delivery, answer), outputBytes: 0, sent() {} });
      relieve();
    },
    attach(opened, running) {
      link = opened;
      session += 1;
      for (const delivery of running) announce(delivery);
      for (const { delivery, answer } of kept) send(delivery, answer);
      relieve();
    },
    detach() {
      link = null;
    },
    relieve,
    close() {
      link = null;
      const left = queue;
      queue = [];
      for (const { sent } of left) sent();
    },
  };
}
