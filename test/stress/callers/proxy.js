// A proxy between agents and host that breaks connections: it closes one or both sides, cuts in the middle of a frame, stalls or
// delays. It does not know messages.
import { connect, createServer } from 'node:net';

/** Where an address of an agent leads, for net.connect. */
function targetOf(address) {
  if (address.startsWith('unix:')) return { path: address.slice('unix:'.length) };
  const { hostname, port } = new URL(address.startsWith('ws:') ? address : `tcp://${address}`);
  return { host: hostname, port: Number(port) };
}

/** Only TCP has a reset. */
const reset = socket => (socket.remotePort === undefined ? socket.destroy() : socket.resetAndDestroy());

export async function createProxy() {
  /** By instance id. */
  const pairs = new Map();

  const server = createServer(agent => {
    agent.on('error', () => {});
    let head = '';
    const first = chunk => {
      head += chunk.toString('latin1');
      const end = head.indexOf('\n');
      if (end === -1) return;
      agent.off('data', first);
      agent.pause();
      const [id, address] = head.slice(0, end).split(' ');
      join(id, agent, address, Buffer.from(head.slice(end + 1), 'latin1'));
    };
    agent.on('data', first);
  });

  const join = (id, agent, address, rest) => {
    const host = connect({ ...targetOf(address), allowHalfOpen: true });
    host.on('error', () => {});
    const pair = { agent, host, from: null, through: 0, delay: 0, stalled: false, silent: false };
    if (!pairs.has(id)) pairs.set(id, new Set());
    pairs.get(id).add(pair);
    const gone = () => {
      pairs.get(id)?.delete(pair);
    };
    for (const [from, to] of [
      [agent, host],
      [host, agent],
    ]) {
      from.on('data', chunk => pass(pair, from, to, chunk));
      // Behind silence each end closes its own side, and the other is not told.
      from.on('end', () => (pair.silent ? from.destroy() : to.end()));
      from.on('close', () => {
        // A half-open end stays until the proof, or its own side, closes it.
        if (!pair.halfOpen) to.destroy();
        if (agent.destroyed && host.destroyed) gone();
      });
    }
    if (rest.length > 0) host.write(rest);
    agent.resume();
  };

  const pass = (pair, from, to, chunk) => {
    if (pair.silent) return;
    if (from === pair.from) {
      if (pair.through < 0) return;
      const part = chunk.subarray(0, pair.through);
      pair.through -= part.length;
      if (part.length > 0) to.write(part);
      if (pair.through === 0) {
        pair.through = -1;
        // The rest of the frame never comes.
        to.end();
        from.destroy();
      }
      return;
    }
    if (to.destroyed || !to.writable) return;
    if (pair.delay > 0) return void setTimeout(() => to.writable && to.write(chunk), pair.delay);
    if (!to.write(chunk)) {
      from.pause();
      to.once('drain', () => {
        if (!pair.stalled) from.resume();
      });
    }
  };

  const ways = {
    reset(pair) {
      reset(pair.agent);
      reset(pair.host);
    },
    close(pair) {
      pair.agent.destroy();
      pair.host.destroy();
    },
    /** The agent does not notice it. */
    hostOnly(pair) {
      pair.halfOpen = true;
      pair.host.destroy();
    },
    /** The host does not notice it. */
    agentOnly(pair) {
      pair.halfOpen = true;
      pair.agent.destroy();
    },
    /** Nothing arrives any more, and neither end notices it. */
    silent(pair) {
      pair.silent = true;
      pair.halfOpen = true;
    },
    /** After this many bytes of the agent, at any position of a frame. */
    inFrame(pair, bytes) {
      pair.from = pair.agent;
      pair.through = bytes;
    },
    /** After this many bytes of the host. */
    inRequest(pair, bytes) {
      pair.from = pair.host;
      pair.through = bytes;
    },
    delay(pair, bytes) {
      // Timers of the same length keep their order, and so do chunks.
      pair.delay = pair.delay > 0 ? pair.delay : 1 + (bytes % 40);
    },
    stall(pair) {
      pair.stalled = true;
      pair.agent.pause();
      pair.host.pause();
    },
  };

  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    port: server.address().port,
    ways: Object.keys(ways),
    /** Breaks all connections of an instance, and returns their number. */
    break(id, way, bytes) {
      const mine = [...(pairs.get(id) ?? [])].filter(pair => !pair.agent.destroyed || !pair.host.destroyed);
      for (const pair of mine) ways[way](pair, bytes);
      return mine.length;
    },
    resume(id) {
      for (const pair of pairs.get(id) ?? []) {
        pair.stalled = false;
        if (!pair.agent.destroyed) pair.agent.resume();
        if (!pair.host.destroyed) pair.host.resume();
      }
    },
    async close() {
      for (const mine of pairs.values()) {
        for (const { agent, host } of mine) {
          agent.destroy();
          host.destroy();
        }
      }
      await new Promise(resolve => server.close(resolve));
    },
  };
}
