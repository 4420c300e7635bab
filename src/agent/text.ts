// Output as text, however it is cut: wire v1 carries no bytes, and a code point is never split between two updates.
import { isUtf8 } from 'node:buffer';
import { TextDecoder } from 'node:util';
import { SpearletError } from '../errors.ts';

export interface TextJoiner {
  /** The whole code points so far; a half one waits for the next piece. Throws PROTOCOL_ERROR for what is not text. */
  add(piece: string | Uint8Array): string;
  /** Throws PROTOCOL_ERROR where a half code point is left. */
  end(): void;
}

export function createTextJoiner(): TextJoiner {
  let half = '';
  let decoder: TextDecoder | null = null;

  const whole = (text: string): string => {
    const joined = half + text;
    const last = joined.charCodeAt(joined.length - 1);
    half = last >= 0xd800 && last <= 0xdbff ? joined.slice(-1) : '';
    const ready = half === '' ? joined : joined.slice(0, -1);
    if (!ready.isWellFormed()) throw new SpearletError('PROTOCOL_ERROR', 'the output holds a lone surrogate, which is not text');
    return ready;
  };

  return {
    add(piece) {
      if (typeof piece === 'string') return half === '' && piece.isWellFormed() ? piece : whole(piece);
      decoder ??= new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
      try {
        return decoder.decode(piece, { stream: true });
      } catch (cause) {
        throw new SpearletError('PROTOCOL_ERROR', 'the output is not UTF-8: wire v1 carries text only, encode bytes (base64, say)', {
          cause,
        });
      }
    },
    end() {
      try {
        decoder?.decode();
      } catch (cause) {
        throw new SpearletError('PROTOCOL_ERROR', 'the output ends in the middle of a code point', { cause });
      }
      if (half !== '') throw new SpearletError('PROTOCOL_ERROR', 'the output ends in the middle of a code point');
    },
  };
}

export interface LossyDecoder {
  /** The whole code points so far. Bytes that are not UTF-8 become U+FFFD. */
  add(piece: Buffer): string;
  /** What is left of half a code point. */
  end(): string;
  /** How many sequences of bytes were replaced. */
  readonly replaced: number;
}

/** For the output of programs, of which nobody can ask that it be text. */
export function createLossyDecoder(): LossyDecoder {
  let half = Buffer.alloc(0);
  let replaced = 0;
  const decode = (bytes: Buffer): string => {
    const text = bytes.toString('utf8');
    // Its own U+FFFD are the program's: their three bytes mean nothing else wherever they stand.
    if (!isUtf8(bytes)) replaced += text.split('\ufffd').length - bytes.toString('latin1').split('\xef\xbf\xbd').length;
    return text;
  };
  return {
    add(piece) {
      const bytes = half.length === 0 ? piece : Buffer.concat([half, piece]);
      const whole = bytes.length - unfinished(bytes);
      half = Buffer.from(bytes.subarray(whole));
      return decode(bytes.subarray(0, whole));
    },
    end() {
      const rest = decode(half);
      half = Buffer.alloc(0);
      return rest;
    },
    get replaced() {
      return replaced;
    },
  };
}

/** How many bytes at the end may be the beginning of a code point. */
function unfinished(bytes: Buffer): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back += 1) {
    const byte = bytes[bytes.length - back]!;
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0;
  }
  return 0;
}

/** Cuts a text into pieces of at most so many UTF-16 units, never through a code point. */
export function pieces(text: string, size: number): string[] {
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

/** Whether the frame of a payload could need more than so many bytes: wire v1 spends up to 4 on each, and some around it. */
export const needsMoreThan = (payload: string, maxFrameBytes: number): boolean =>
  payload.length * 12 + 512 > maxFrameBytes && Buffer.byteLength(payload) * 4 + 512 > maxFrameBytes;
