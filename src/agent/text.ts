// Turns output, which arrives in pieces of any size, into text: wire v1 carries no bytes, and a code point is never split
// between two updates.
import { isUtf8 } from 'node:buffer';
import { TextDecoder } from 'node:util';
import { SpearletError } from '../errors.ts';

export interface TextJoiner {
  /** Returns the complete code points. An incomplete one waits for the next piece. Throws PROTOCOL_ERROR if it is not text. */
  add(piece: string | Uint8Array): string;
  /** Throws PROTOCOL_ERROR if an incomplete code point is left. */
  end(): void;
}

export function createTextJoiner(): TextJoiner {
  let incomplete = '';
  let decoder: TextDecoder | null = null;

  const addText = (text: string): string => {
    const joined = incomplete + text;
    const last = joined.charCodeAt(joined.length - 1);
    incomplete = last >= 0xd800 && last <= 0xdbff ? joined.slice(-1) : '';
    const complete = incomplete === '' ? joined : joined.slice(0, -1);
    if (!complete.isWellFormed()) throw new SpearletError('PROTOCOL_ERROR', 'the output holds a lone surrogate, which is not text');
    return complete;
  };

  return {
    add(piece) {
      if (typeof piece === 'string') return incomplete === '' && piece.isWellFormed() ? piece : addText(piece);
      decoder ??= new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
      try {
        return decoder.decode(piece, { stream: true });
      } catch (cause) {
        throw new SpearletError(
          'PROTOCOL_ERROR',
          'the output is not UTF-8: wire v1 carries only text, so encode bytes, for example as base64',
          {
            cause,
          },
        );
      }
    },
    end() {
      try {
        decoder?.decode();
      } catch (cause) {
        throw new SpearletError('PROTOCOL_ERROR', 'the output ends in the middle of a code point', { cause });
      }
      if (incomplete !== '') throw new SpearletError('PROTOCOL_ERROR', 'the output ends in the middle of a code point');
    },
  };
}

export interface LossyDecoder {
  /** Returns the complete code points. Bytes that are not UTF-8 become U+FFFD. */
  add(piece: Buffer): string;
  /** Returns an incomplete code point, if one is left, as U+FFFD. */
  end(): string;
  /** The number of byte sequences that were replaced. */
  readonly replaced: number;
}

/** For the output of programs, which need not be text. */
export function createLossyDecoder(): LossyDecoder {
  let incomplete = Buffer.alloc(0);
  let replaced = 0;
  const decode = (bytes: Buffer): string => {
    const text = bytes.toString('utf8');
    // U+FFFD that the program itself wrote does not count: the bytes EF BF BD can mean nothing else.
    if (!isUtf8(bytes)) replaced += text.split('\ufffd').length - bytes.toString('latin1').split('\xef\xbf\xbd').length;
    return text;
  };
  return {
    add(piece) {
      const bytes = incomplete.length === 0 ? piece : Buffer.concat([incomplete, piece]);
      const complete = bytes.length - incompleteLength(bytes);
      incomplete = Buffer.from(bytes.subarray(complete));
      return decode(bytes.subarray(0, complete));
    },
    end() {
      const text = decode(incomplete);
      incomplete = Buffer.alloc(0);
      return text;
    },
    get replaced() {
      return replaced;
    },
  };
}

/** The number of bytes at the end that may begin a code point. */
function incompleteLength(bytes: Buffer): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back += 1) {
    const byte = bytes[bytes.length - back]!;
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0;
  }
  return 0;
}

/** Cuts a text into pieces of at most `size` UTF-16 units, never through a code point, unless `size` is 1. */
export function pieces(text: string, size: number): string[] {
  if (text.length > 0 && text.length <= size) return [text];
  const cut: string[] = [];
  for (let at = 0; at < text.length; ) {
    let end = Math.min(text.length, at + size);
    const last = text.charCodeAt(end - 1);
    if (end < text.length && end - at > 1 && last >= 0xd800 && last <= 0xdbff) end -= 1;
    cut.push(text.slice(at, end));
    at = end;
  }
  return cut;
}

/** Cuts bytes into pieces of at most `size` bytes. They are copied: the caller may use its memory again. */
export function slices(bytes: ArrayBufferView, size: number): Buffer[] {
  const all = Buffer.from(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  const cut: Buffer[] = [];
  for (let at = 0; at < all.length; at += size) cut.push(all.subarray(at, at + size));
  return cut;
}
