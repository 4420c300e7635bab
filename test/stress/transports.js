// Runs the situations of test/situations over every transport but TCP, over which `npm test` runs them. Each has to pass.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Files about TCP itself, about options, about command lines and hosts of their own, and about transports by name. */
const EXCLUDED = [
  ...['listeners', 'relay', 'handshake', 'transports', 'browser', 'hosts', 'nested', 'proofs', 'races', 'sessions'],
  'hostile-options',
];
/** An agent that ends without a wait leaves more behind than the system keeps for a Unix socket (208 KiB). */
const UNFLUSHED = 'not lost to a slow reader';
/** By transport: files and titles of tests that it cannot run. An inherited socket cannot be opened again. */
const SKIPPED = {
  unix: { files: [], titles: [UNFLUSHED] },
  ws: { files: [], titles: [] },
  fd: {
    files: ['resume'],
    titles: [
      ...['reconnect', 'resum', 'disconnected', 'connection is cut', 'lost connection', 'cut its own', 'the host counts its attempts'],
      UNFLUSHED,
    ],
  },
};

async function situations(transport) {
  const folder = mkdtempSync(join(tmpdir(), 'spearlet-test-'));
  const outputFile = join(folder, 'report.json');
  const { files: without, titles } = SKIPPED[transport];
  // By name: a project of the configuration does not heed `--exclude`.
  const files = readdirSync(join(root, 'test/situations'), { recursive: true })
    .filter(name => name.endsWith('.test.ts') && ![...EXCLUDED, ...without].includes(name.slice(0, -'.test.ts'.length)))
    .map(name => join('test/situations', name));
  const skips = titles.length > 0 ? ['--testNamePattern', `^(?!.*(${titles.join('|')}))`] : [];
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const args = [vitest, 'run', ...files, '--reporter=json', `--outputFile=${outputFile}`, ...skips];
  try {
    const child = spawn(process.execPath, args, {
      ...{ cwd: root, stdio: 'ignore' },
      env: { ...process.env, SPEARLET_TEST_TRANSPORT: transport },
    });
    await once(child, 'exit');
    const { testResults } = JSON.parse(readFileSync(outputFile, 'utf8'));
    const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
    const of = status => tests.filter(test => test.status === status);
    return {
      passed: of('passed').length,
      skipped: of('skipped').length + of('pending').length,
      failed: of('failed').map(test => test.fullName),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export async function transports(_seed, say) {
  const figures = {};
  for (const transport of Object.keys(SKIPPED)) {
    figures[transport] = await situations(transport);
    const { passed, skipped, failed } = figures[transport];
    say(`${transport}: ${passed} situations passed, ${skipped} skipped, ${failed.length} failed`);
    for (const name of failed) say(`  failed: ${name}`);
  }
  return { passed: Object.values(figures).every(({ passed, failed }) => passed > 0 && failed.length === 0), ...figures };
}
