// What a hand-written program would do, and no more: a length before each frame, one write for all frames of a turn.
import { isAscii } from 'node:buffer';

/** The kinds of frames of limit-tcp and limit-json-tcp. */
export const HELLO = 0;
export const ECHO = 1;
export const STREAM = 2;
export const CPU = 3;
export const CHUNK = 4;
export const DONE = 5;

/**
 * Calls `onFrame` for each frame, its length included. `prefix` is the number of bytes of the length, which is little-endian;
 * lengths above 32 bits are not read. A frame lies in the chunk that has brought it, or is joined once.
 */
export function createReader(prefix, onFrame) {
  let parts = [];
  let bytes = 0;
  let needed = 0;
  return chunk => {
    let at = 0;
    if (bytes > 0) {
      if (needed === 0 || bytes + chunk.length < needed) {
        parts.push(chunk);
        bytes += chunk.length;
        if (needed === 0 && bytes >= prefix) {
          parts = [Buffer.concat(parts)];
          needed = prefix + parts[0].readUInt32LE(0);
        }
        if (needed === 0 || bytes < needed) return;
        const all = Buffer.concat(parts, bytes);
        [parts, bytes, needed] = [[], 0, 0];
        return read(all);
      }
      const missing = needed - bytes;
      parts.push(chunk.subarray(0, missing));
      onFrame(Buffer.concat(parts, needed));
      [parts, bytes, needed] = [[], 0, 0];
      at = missing;
    }
    read(at === 0 ? chunk : chunk.subarray(at));
  };
  function read(chunk) {
    let at = 0;
    while (chunk.length - at >= prefix) {
      const length = prefix + chunk.readUInt32LE(at);
      if (chunk.length - at < length) break;
      onFrame(chunk.subarray(at, at + length));
      at += length;
    }
    if (at === chunk.length) return;
    parts = [chunk.subarray(at)];
    bytes = chunk.length - at;
    needed = bytes >= prefix ? prefix + chunk.readUInt32LE(at) : 0;
  }
}

/** Sends frames, each a header and a body, with one write for each turn. */
export function createWriter(socket) {
  let pieces = [];
  return (header, body) => {
    pieces.push(header, body);
    if (pieces.length > 2) return;
    process.nextTick(() => {
      const written = pieces;
      pieces = [];
      if (written.length === 2 && body.length > 65_536) {
        socket.cork();
        for (const each of written) socket.write(each);
        socket.uncork();
      } else socket.write(Buffer.concat(written));
    });
  };
}

const HEADER = 9;

/** The frames of limit-tcp: u32 length, u32 id, u8 kind, body. Calls `onFrame(id, kind, body)`. */
export const createLimitReader = onFrame => createReader(4, frame => onFrame(frame.readUInt32LE(4), frame[8], frame.subarray(HEADER)));

export function createLimitWriter(socket) {
  const write = createWriter(socket);
  return (id, kind, body) => {
    const header = Buffer.allocUnsafe(HEADER);
    header.writeUInt32LE(5 + body.length, 0);
    header.writeUInt32LE(id, 4);
    header[8] = kind;
    write(header, body);
  };
}

/** A text of a body, by the cheap way where it is ASCII. */
export const textOf = body => (body.length < 256 || !isAscii(body) ? body.toString('utf8') : body.toString('latin1'));
