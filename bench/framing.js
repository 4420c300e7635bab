// What a hand-written program would do, and no more: a length before each frame, one write for all frames of a turn.
export const HEADER = 9;

/** Calls `onFrame(id, kind, body)` for each frame. A body lies in the chunk that has brought it, or is joined once. */
export function createReader(onFrame) {
  let parts = [];
  let bytes = 0;
  let needed = 0;
  const deliver = frame => onFrame(frame.readUInt32LE(4), frame[8], frame.subarray(HEADER));
  return chunk => {
    let at = 0;
    if (bytes > 0) {
      if (needed === 0 || bytes + chunk.length < needed) {
        parts.push(chunk);
        bytes += chunk.length;
        if (needed === 0 && bytes >= 4) {
          parts = [Buffer.concat(parts)];
          needed = 4 + parts[0].readUInt32LE(0);
        }
        if (needed === 0 || bytes < needed) return;
        const all = Buffer.concat(parts, bytes);
        [parts, bytes, needed] = [[], 0, 0];
        return read(all);
      }
      const missing = needed - bytes;
      parts.push(chunk.subarray(0, missing));
      deliver(Buffer.concat(parts, needed));
      [parts, bytes, needed] = [[], 0, 0];
      at = missing;
    }
    read(at === 0 ? chunk : chunk.subarray(at));
  };
  function read(chunk) {
    let at = 0;
    while (chunk.length - at >= 4) {
      const length = 4 + chunk.readUInt32LE(at);
      if (chunk.length - at < length) break;
      deliver(chunk.subarray(at, at + length));
      at += length;
    }
    if (at === chunk.length) return;
    parts = [chunk.subarray(at)];
    bytes = chunk.length - at;
    needed = bytes >= 4 ? 4 + chunk.readUInt32LE(at) : 0;
  }
}

/** Sends frames with one write for each turn. */
export function createWriter(socket) {
  let frames = [];
  return (id, kind, body) => {
    const header = Buffer.allocUnsafe(HEADER);
    header.writeUInt32LE(5 + body.length, 0);
    header.writeUInt32LE(id, 4);
    header[8] = kind;
    frames.push(header, body);
    if (frames.length > 2) return;
    process.nextTick(() => {
      const written = frames;
      frames = [];
      if (written.length === 2 && body.length > 65_536) {
        socket.cork();
        for (const each of written) socket.write(each);
        socket.uncork();
      } else socket.write(Buffer.concat(written));
    });
  };
}

/** A text of a body, by the cheap way where it is ASCII. */
export const textOf = body => (body.length < 256 || !isAscii(body) ? body.toString('utf8') : body.toString('latin1'));

import { isAscii } from 'node:buffer';

export const ECHO = 1;
export const STREAM = 2;
export const CPU = 3;
export const CHUNK = 4;
export const DONE = 5;
