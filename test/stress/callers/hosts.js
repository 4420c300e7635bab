// The instances of the proof: an agent with serve(), the command agent, or an external instance; each connected directly or
// through the proxy. The events of each go to its log.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { pick } from './content.js';

const path = name => fileURLToPath(new URL(name, import.meta.url));
const scribe = path('../../agents/scribe.js');
const detour = path('../../agents/detour.js');
const main = path('../../../dist/src/cli/main.js');
const ANOTHER = ['ALREADY_CLAIMED', 'AUTH_REFUSED', 'HANDED_OVER'];

/** The log of every instance of this spearlet. */
export function watch(spearlet) {
  const logs = new Map();
  const logOf = id => {
    if (!logs.has(id)) logs.set(id, []);
    return logs.get(id);
  };
  spearlet.events$.subscribe(event => {
    if (event.instanceId === null) return;
    const at = performance.now();
    const log = logOf(event.instanceId);
    if (event.type === 'instance.state') log.push({ at, what: event.state, text: `incarnation ${event.incarnation}` });
    else if (event.type === 'connection.closed')
      log.push({ at, what: ANOTHER.includes(event.code) ? 'refused' : 'closed', code: event.code, text: event.message });
    else if (event.type === 'connection.opened') log.push({ at, what: 'opened' });
    else if (event.type === 'instance.exited')
      // An unresponsive agent counts as a fault: it explains the end.
      log.push({
        at,
        what: 'exited',
        code: event.report.reason,
        text: event.report.message,
        fault: event.report.reason === 'unresponsive',
      });
    else log.push({ at, what: event.type, fault: event.type === 'instance.unresponsive' });
  });
  return logOf;
}

/** Starts an instance of a random kind. `pid()` returns the pid of the agent. */
export async function createHost(random, spearlet, logOf, proxy, files) {
  const kind = pick(random, { sdk: 4, command: 2, expected: 1 });
  const proxied = random() < 0.6;
  const peaceful = random() < 0.2;
  const restart = pick(random, { permanent: 4, transient: 2, temporary: 1 });
  const onUnresponsive = random() < 0.15 ? 'restart' : 'leave';
  const way = proxied ? { SCRIBE_PROXY: String(proxy.port) } : {};
  const args = kind === 'command' ? ['--import', detour, main, 'agent'] : [scribe, files.journal, files.content];
  if (kind !== 'expected') {
    const spec = { artifactId: kind, command: process.execPath, args, environment: way, restart, onUnresponsive };
    const instance = await spearlet.start(spec);
    return {
      id: instance.id,
      kind,
      proxied,
      peaceful,
      restart,
      onUnresponsive,
      instance,
      log: logOf(instance.id),
      pid: () => (instance.state === 'stopped' ? null : instance.pid),
      async end() {},
    };
  }
  const expected = spearlet.expect({ artifactId: kind });
  let child = null;
  let over = false;
  let again = null;
  const exits = [];
  const begin = () => {
    child = spawn(process.execPath, args, {
      env: { PATH: process.env.PATH, ...expected.environment, ...way },
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    const mine = child;
    // A program that ends may leave the pipe broken.
    mine.stdin.on('error', () => {});
    exits.push(
      new Promise(resolve => {
        mine.once('exit', () => {
          if (child === mine) child = null;
          if (!over) again = setTimeout(begin, random() * 2_500);
          resolve();
        });
      }),
    );
  };
  begin();
  const end = async () => {
    over = true;
    clearTimeout(again);
    child?.kill('SIGKILL');
    await Promise.all(exits);
  };
  const instance = await expected.ready;
  void instance.exited.then(end);
  return {
    id: instance.id,
    kind,
    proxied,
    peaceful,
    restart: 'temporary',
    onUnresponsive: 'leave',
    instance,
    log: logOf(instance.id),
    pid: () => child?.pid ?? null,
    end,
  };
}
