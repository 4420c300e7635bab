// One listener for many instances, open while at least one of them uses it. It hands every stream to one handler, and does
// not know to which instance a stream belongs.
import type { Ports } from './ports.ts';
import type { ByteStream, Listener } from './stream.ts';

export interface SharedListener {
  /** Sets the handler of new streams; returns a function that removes it. Without a handler, streams are closed at once. */
  onConnection(handler: (stream: ByteStream) => void): () => void;
  /**
   * Adds one user: the first opens the listener, and the `close()` of the last closes it. Throws as `Ports.listen`. Each
   * user closes its own handle; a second `close()` of the same handle does nothing.
   */
  acquire(): Listener;
}

export function createSharedListener(ports: Ports): SharedListener {
  let handler: ((stream: ByteStream) => void) | null = null;
  let listener: Listener | null = null;
  let users = 0;
  return {
    onConnection(newHandler) {
      handler = newHandler;
      return () => {
        handler = null;
      };
    },
    acquire() {
      const opened = (listener ??= ports.listen(stream => (handler === null ? stream.close() : handler(stream))));
      users += 1;
      let isUsed = true;
      return {
        ...opened,
        close() {
          if (!isUsed) return Promise.resolve();
          isUsed = false;
          users -= 1;
          if (users > 0) return Promise.resolve();
          listener = null;
          return opened.close();
        },
      };
    },
  };
}
