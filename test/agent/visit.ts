// A connection of an agent, as a host sees it that a test plays.
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { MessageType, SpearMessage } from '../../src/protocol/message.ts';
import { createFrameReader } from '../../src/protocol/v1/decoder.ts';
import { decodeMessage, encodeAuthResponse, encodeFrame } from '../../src/protocol/v1/messages.ts';

export interface Visit {
  readonly socket: Socket;
  send(type: MessageType, requestId: number, payload: string): void;
  next(type: MessageType): Promise<SpearMessage>;
  admit(): Promise<void>;
}

export function visit(socket: Socket): Visit {
  const received: SpearMessage[] = [];
  const reader = createFrameReader(2 ** 24, body => {
    const message = decodeMessage(Buffer.from(body));
    received.push({ ...message, payload: Buffer.from(message.payload) });
  });
  socket.on('data', chunk => {
    reader.push(chunk);
    socket.emit('heard');
  });
  socket.on('error', () => {});
  const it: Visit = {
    socket,
    send: (type, requestId, payload) => void socket.write(encodeFrame(type, requestId, { secs: 1, nanos: 0 }, payload)),
    async next(type) {
      for (;;) {
        const at = received.findIndex(message => message.type === type);
        if (at !== -1) return received.splice(at, 1)[0]!;
        await once(socket, 'heard');
      }
    },
    async admit() {
      await it.next('AuthRequest');
      it.send('AuthResponse', 1, encodeAuthResponse({ success: true, errorMessage: null, sessionId: 's' }));
    },
  };
  return it;
}
