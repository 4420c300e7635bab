// A message with a large body: it is sent in pieces, so that other messages can be sent between them.

/** The large bodies of one connection that may be on the way at once: the other end keeps their pieces. */
export const MAX_UNFINISHED = 4;

export class Pieces {
  readonly #body: Buffer;
  readonly #header: (length: number, isLast: boolean) => Buffer;
  #sent = 0;

  /** `header` makes the header of a piece with this many bytes of the body. */
  constructor(body: Buffer, header: (length: number, isLast: boolean) => Buffer) {
    this.#body = body;
    this.#header = header;
  }

  /** Bytes of the whole message. */
  get length(): number {
    return this.#body.length;
  }

  get isBegun(): boolean {
    return this.#sent > 0;
  }

  /** Bytes that were not taken yet. */
  get left(): number {
    return this.#body.length - this.#sent;
  }

  /** Begins again: the stream on which it was sent is gone. */
  restart(): void {
    this.#sent = 0;
  }

  /** The next piece, with at most this many bytes of the body: its header and its bytes. */
  take(max: number): readonly [Buffer, Buffer] {
    const start = this.#sent;
    const end = Math.min(this.#body.length, start + max);
    this.#sent = end;
    return [this.#header(end - start, end === this.#body.length), this.#body.subarray(start, end)];
  }
}
