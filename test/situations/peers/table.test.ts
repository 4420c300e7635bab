// What other tests show already, by peer; and that docs/operations.md has a row for every difference, each with the test that shows it.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const tests = join(import.meta.dirname, '..', '..');
const operations = readFileSync(join(tests, '..', 'docs', 'operations.md'), 'utf8');

/** [peer, behaviour, file, title of the test] */
const elsewhere = [
  ['OTP', 'intensity infinity', 'situations/restarts', 'intensity: one gives up at once, another never does'],
  ['OTP', 'failures further apart than the period', 'situations/restarts', 'period: failures that are further apart are forgiven'],
  ['OTP', 'a killed supervisor leaves no children', 'situations/hosts', 'without a stateDir an agent on serve() takes its daemons along'],
  [
    'OTP',
    'a stop at any moment of a start',
    'situations/endings',
    'a stop at any moment of a start leaves nothing, and one terminal state',
  ],
  ['systemd', 'RestartSec has a floor', 'situations/restarts', 'backoff, which is never shorter than its floor'],
  ['systemd', 'spawn failures are retried', 'situations/restarts', 'because of %s is tried again, as after any failure'],
  ['systemd', 'spawn failures and StartLimitBurst', 'situations/restarts', 'gives up when the intensity is used up'],
  ['systemd', 'SIGTERM reaches all of the control group', 'situations/ladder', 'a daemon gets SIGTERM with its agent, at the same stage'],
  [
    'systemd',
    'KillSignal, TimeoutStopSec, TimeoutStartSec',
    'situations/ladder',
    'an instance has a kill signal, a grace and a connect timeout',
  ],
  ['systemd', 'SendSIGKILL to daemons', 'situations/ladder', 'a daemon that ignores SIGTERM is killed at the end of the grace'],
  ['systemd', 'KillMode=mixed, trees of all shapes', 'situations/containment', 'of twelve trees nothing is left when %s'],
  [
    'systemd',
    'death by a real-time signal',
    'situations/endings',
    'an agent that dies of a real-time signal has crashed, and names the signal',
  ],
  [
    'systemd',
    'a stop while it waits for a restart',
    'situations/breaks',
    'the first start is not retried under any policy; a stop in backoff is final',
  ],
  ['systemd', 'WatchdogSec', 'situations/breaks', 'a frozen agent is detected, its end has the reason `heartbeat`'],
  ['Nomad', 'drain with a deadline', 'situations/ladder', 'a stop that drains sends SIGTERM in time before SIGKILL'],
  [
    'Nomad',
    'a client that was killed recovers its tasks',
    'situations/hosts',
    'the programs of a killed host are ended before the next host',
  ],
  ['PM2', 'max_memory_restart', 'situations/memory', 'an end by maxMemory counts as a failure: the restart policy applies'],
  ['PM2', 'treekill', 'process/tree', 'the shape %s'],
  ['supervisord', 'exitcodes', 'situations/restarts', 'of successCodes is a clean end: transient does not restart'],
  ['supervisord', 'startretries with waits', 'situations/retry-start', 'start() waits through failures before the first ready'],
  [
    'supervisord',
    'a flood of output is read and bounded',
    'process/output',
    'a flood on stdout does not displace the last lines of stderr',
  ],
  ['execa', 'SIGTERM lets a program clean up', 'situations/command-agent', 'can clean up at SIGTERM'],
  ['execa', 'forceKillAfterDelay', 'situations/command-agent', '%s: none of its processes lives on, although they ignore SIGTERM'],
  [
    'execa',
    'bytes that are no UTF-8',
    'situations/command-agent',
    'output arrives as it is, byte for byte, and each piece names its channel',
  ],
  ['execa', 'cleanup: the parent ends', 'situations/command-agent', 'ends with an agent that %s ends'],
  ['execa', 'output in the error of a timeout', 'situations/first-hour', 'that had arrived stands in the error of an execution'],
  ['execa', 'background processes that are kept', 'situations/settings', 'with `keep` they live on'],
  ['piscina', 'a worker that dies', 'situations/pools', 'is replaced, and what it ran has an unknown outcome'],
  ['piscina', 'idleTimeout and maxThreads', 'situations/pools', 'a pool grows while executions wait, and shrinks'],
  ['piscina', 'recycled workers', 'situations/pools', 'a member that has executed enough is replaced'],
  ['piscina', 'maxQueue 0', 'situations/pools', 'a pool without a least member starts one for the first execution'],
  ['go-plugin', 'versions', 'situations/handshake', 'an agent that speaks no version of the host ends with VERSION_MISMATCH'],
  ['go-plugin', 'reconnect of a plugin', 'situations/breaks', 'serve() reconnects by itself, and answers earlier requests'],
  ['go-plugin', 'stderr of a plugin', 'situations/breaks', 'stderr is kept for the report, even if the program floods stdout'],
  ['go-plugin', 'bytes that are no handshake', 'situations/bad-input', '%s from an unauthenticated connection ends it'],
  [
    'upstream',
    'heartbeats are echoed',
    'situations/bad-input',
    'responses without an execution are dropped; heartbeats are echoed exactly',
  ],
  ['upstream', 'frames that are cut anywhere', 'protocol/v1-reference', 'a split at any byte, and the stream byte by byte'],
  ['upstream', 'the bytes of serde', 'protocol/v1-reference', 'a request and a response are written as JSON.stringify writes them'],
] as const;

const sourceOf = (file: string): string => readFileSync(join(tests, `${file}.test.ts`), 'utf8').replaceAll("\\'", "'");

test('the tests that show the rest exist', () => {
  expect(elsewhere.filter(([, , file, title]) => !sourceOf(file).includes(title))).toEqual([]);
});

/** The cells of each row of the table in docs/operations.md. */
const rows = operations
  .slice(operations.indexOf('## What differs from other supervisors'))
  .split('\n## ')[0]!
  .split('\n')
  .filter(line => line.startsWith('| '))
  .slice(1)
  .map(line =>
    line
      .slice(2, -2)
      .split(' | ')
      .map(cell => cell.trim()),
  );

test('each row of the differences has a peer, its behaviour, that of spearlet, and the reason', () => {
  expect(rows.length).toBeGreaterThan(20);
  for (const row of rows) expect(row.filter(cell => cell !== '')).toHaveLength(5);
});

test('each row of the differences names the test that shows it', () => {
  const missing = rows.flatMap(([, , , , shown]) => {
    const [, file, title] = /^`([\w/-]+)`: (.+)$/.exec(shown!) ?? [];
    return file !== undefined && sourceOf(file).includes(title!) ? [] : [shown];
  });
  expect(missing).toEqual([]);
});

test('each difference that is tested has its row', () => {
  const differences = readdirSync(import.meta.dirname).flatMap(file =>
    [...readFileSync(join(import.meta.dirname, file), 'utf8').matchAll(/^ +differs\('(.+)', async/gm)].map(([, title]) => title!),
  );
  expect(differences.length).toBeGreaterThan(20);
  expect(differences.filter(title => !rows.some(([, , , , shown]) => shown!.endsWith(`: ${title}`)))).toEqual([]);
});
