// An agent in a web page: wire v1 over a WebSocket, without an SDK. It needs a browser and nothing else.

/** The host reads at most 1 MiB of one WebSocket message; a frame may be cut anywhere. */
const PIECE = 256 * 1024;
const utf8 = new TextEncoder();
const textOf = bytes => new TextDecoder().decode(bytes);

/** 8 bytes of length, little-endian, then JSON; the payload is JSON, too, as an array of its bytes. */
function encode(type, requestId, payload) {
  const now = Date.now();
  const body = utf8.encode(
    JSON.stringify({
      message_type: type,
      request_id: requestId,
      timestamp: { secs_since_epoch: Math.floor(now / 1000), nanos_since_epoch: (now % 1000) * 1_000_000 },
      payload: Array.from(payload),
    }),
  );
  const frame = new Uint8Array(8 + body.length);
  new DataView(frame.buffer).setBigUint64(0, BigInt(body.length), true);
  frame.set(body, 8);
  return frame;
}

/** Returns a function that takes bytes, cut anywhere, and calls `received` with each message. */
function createReader(received) {
  let rest = new Uint8Array(0);
  return bytes => {
    const joined = new Uint8Array(rest.length + bytes.length);
    joined.set(rest);
    joined.set(bytes, rest.length);
    rest = joined;
    while (rest.length >= 8) {
      const end = 8 + Number(new DataView(rest.buffer, rest.byteOffset).getBigUint64(0, true));
      if (rest.length < end) return;
      received(JSON.parse(textOf(rest.subarray(8, end))));
      rest = rest.subarray(end);
    }
  };
}

/**
 * Connects to the host and answers its requests until the connection ends; resolves with the reason. `environment`: that of
 * `spearlet.expect()`. A handler gets `(request, { write, signal })` and returns the output.
 */
export function serve({ SPEARLET_ADDR, SPEARLET_TOKEN, SPEARLET_INSTANCE_ID }, handlers) {
  const socket = new WebSocket(SPEARLET_ADDR);
  socket.binaryType = 'arraybuffer';
  const running = new Map();

  const send = (type, requestId, payload) => {
    const frame = encode(type, requestId, payload);
    for (let at = 0; at < frame.length; at += PIECE) socket.send(frame.subarray(at, at + PIECE));
  };
  const sendJson = (type, requestId, value) => send(type, requestId, utf8.encode(JSON.stringify(value)));

  async function execute(requestId, { task_id, command, args, env }) {
    const abort = new AbortController();
    running.set(requestId, abort);
    const answer = (status, output, error = null, exitCode = null) =>
      sendJson('ExecuteResponse', requestId, { task_id, status, output, error, exit_code: exitCode });
    try {
      answer('Started', null);
      const handler = Object.hasOwn(handlers, command) ? handlers[command] : null;
      if (handler === null) return answer('Failed', null, `unknown command: ${command}`, 127);
      const context = { write: text => answer('Running', text), signal: abort.signal };
      answer('Completed', (await handler({ taskId: task_id, command, args, env }, context)) ?? null, null, 0);
    } catch (error) {
      answer('Failed', null, String(error?.message ?? error), 1);
    } finally {
      running.delete(requestId);
    }
  }

  const receive = createReader(({ message_type, request_id, payload }) => {
    const bytes = new Uint8Array(payload);
    if (message_type === 'Heartbeat') return send('Heartbeat', request_id, bytes);
    const value = JSON.parse(textOf(bytes));
    if (message_type === 'AuthResponse' && !value.success) return socket.close();
    if (message_type === 'ExecuteRequest') return void execute(request_id, value);
    if (message_type !== 'Signal') return;
    if (value.signal === 'cancel') running.get(request_id)?.abort();
    if (value.signal === 'terminate') socket.close(1000);
  });

  socket.onmessage = ({ data }) => receive(new Uint8Array(data));
  socket.onopen = () => sendJson('AuthRequest', 1, { instance_id: SPEARLET_INSTANCE_ID, token: SPEARLET_TOKEN, client_version: '1.0.0' });
  return new Promise(resolve => {
    socket.onclose = ({ code }) => {
      for (const abort of running.values()) abort.abort();
      resolve(code);
    };
  });
}
