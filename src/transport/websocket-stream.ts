// A WebSocket as a byte stream. The bytes of the wire go in binary messages, which may be cut anywhere: a message is no frame.
import type { Duplex } from 'node:stream';
import { createWebSocketStream, WebSocket } from 'ws';
import { DuplexStream } from './socket.ts';
import type { ByteStream, ByteStreamEvents } from './stream.ts';

/** The largest message that is read, in bytes. It takes memory before its sender has authenticated. */
const MAX_MESSAGE = 2 ** 20;
/** How long the other end may take to close, in ms. */
const CLOSE_TIMEOUT = 5_000;
/** Options of both ends. */
export const options = { perMessageDeflate: false, maxPayload: MAX_MESSAGE, closeTimeout: CLOSE_TIMEOUT };

/** The largest message that is written, in bytes. */
const PIECE = 256 * 1024;

/** Codes of RFC 6455, section 7.4.1. */
const NORMAL = 1000;
const UNSUPPORTED_DATA = 1003;

const divide = (frame: Buffer): Buffer[] =>
  Array.from({ length: Math.ceil(frame.length / PIECE) }, (_, n) => frame.subarray(n * PIECE, (n + 1) * PIECE));

class WebSocketByteStream extends DuplexStream {
  readonly #webSocket: WebSocket;
  #isViolation = false;

  constructor(webSocket: WebSocket, peer: string, reset: (failed: (error: Error) => void) => void) {
    // Comes before the listener of the stream below, which would take a text for bytes.
    webSocket.on('message', (_, isBinary) => {
      if (isBinary) return;
      this.#isViolation = true;
      webSocket.close(UNSUPPORTED_DATA);
      duplex.destroy(new Error('a text message, but the wire is binary'));
    });
    // What ws refuses: a message that is too large, a frame that is none.
    webSocket.on('error', ({ code }: NodeJS.ErrnoException) => {
      this.#isViolation ||= code?.startsWith('WS_ERR_') === true;
    });
    const duplex: Duplex = createWebSocketStream(webSocket);
    // A WebSocket has no half of a connection: when the other end has closed it, nothing can be sent any more.
    duplex.on('end', () => duplex.destroy());
    super(duplex, peer, reset);
    this.#webSocket = webSocket;
  }

  override open(events: ByteStreamEvents): void {
    super.open({
      data: events.data,
      drained: events.drained,
      closed: end => events.closed(this.#isViolation ? { ...end, isViolation: true } : end),
    });
  }

  override write(frames: readonly Buffer[]): boolean {
    return super.write(frames.flatMap(frame => (frame.length > PIECE ? divide(frame) : [frame])));
  }

  override close(): void {
    // Sends a close frame, if the system takes it at once, so that the other end sees an intended end.
    if (this.#webSocket.readyState === WebSocket.OPEN) this.#webSocket.close(NORMAL);
    super.close();
  }
}

/** `reset`: registers for the error of the socket below, which a WebSocket does not report. */
export const webSocketStream = (webSocket: WebSocket, peer: string, reset: (failed: (error: Error) => void) => void): ByteStream =>
  new WebSocketByteStream(webSocket, peer, reset);
