/** Sends messages of a WebSocket with one write for each turn. */
export function corked(socket) {
  let isCorked = false;
  return text => {
    if (!isCorked) {
      isCorked = true;
      socket._socket.cork();
      process.nextTick(() => {
        isCorked = false;
        socket._socket.uncork();
      });
    }
    socket.send(text);
  };
}
