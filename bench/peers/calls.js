// What every peer without a library of its own for calls needs: calls that wait for their answers by id, and agents that say
// by a number who they are.

/** `send(id, kind, args)` sends a call. */
export function createCalls(send) {
  const waiting = new Map();
  let nextId = 1;
  const call = (kind, args, chunk) =>
    new Promise(resolve => {
      const id = nextId++;
      waiting.set(id, { resolve, chunk });
      send(id, kind, args);
    });
  return {
    call,
    chunk: (id, text) => waiting.get(id).chunk(text),
    answer(id, response) {
      const { resolve } = waiting.get(id);
      waiting.delete(id);
      resolve(response);
    },
  };
}

/** What agents do over such calls. */
export const callsOf = call => ({
  echo: text => call('echo', [text]),
  stream: (count, size, chunk) => call('stream', [String(count), String(size)], chunk),
  cpu: async () => cpuOf((await call('cpu', [])).output),
});

/** CPU time in µs out of the JSON of process.cpuUsage(). */
export function cpuOf(text) {
  const { user, system } = JSON.parse(text);
  return user + system;
}

/** An agent is told its number when it is started, and says it first when it has connected. */
export function createHellos() {
  const waiting = new Map();
  let nextNumber = 1;
  return {
    expect() {
      const number = nextNumber++;
      return { number, hello: new Promise(resolve => waiting.set(number, resolve)) };
    },
    arrived(number, agent) {
      waiting.get(number)(agent);
      waiting.delete(number);
    },
  };
}
