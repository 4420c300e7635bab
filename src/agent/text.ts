// Output as text, however it is cut: wire v1 carries no bytes, and a code point is never split between two updates.
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
