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
