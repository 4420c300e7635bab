// Runs the situations of test/situations over every transport but TCP, over which `npm test` runs them. Each has to pass.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Files about TCP itself, about command lines and hosts of their own, and about transports by name. */
const EXCLUDED = ['listeners', 'relay', 'handshake', 'transports', 'browser', 'hosts', 'nested', 'proofs', 'races', 'sessions'];
/** An inherited socket cannot be opened again. */
const FD_EXCLUDED = ['resume'];
const FD_SKIPS = /reconnect|resum|disconnected|connection is cut|lost connection|cut its own/i;

async function situations(transport) {
  const folder = mkdtempSync(join(tmpdir(), 'spearlet-test-'));
  const outputFile = join(folder, 'report.json');
  const excluded = transport === 'fd' ? [...EXCLUDED, ...FD_EXCLUDED] : EXCLUDED;
  // By name: a project of the configuration does not heed `--exclude`.
  const files = readdirSync(join(root, 'test/situations'), { recursive: true })
    .filter(name => name.endsWith('.test.ts') && !excluded.includes(name.slice(0, -'.test.ts'.length)))
    .map(name => join('test/situations', name));
  const skips = transport === 'fd' ? ['--testNamePattern', `^(?!.*(${FD_SKIPS.source}))`] : [];
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
  for (const transport of ['unix', 'ws', 'fd']) {
    figures[transport] = await situations(transport);
    const { passed, skipped, failed } = figures[transport];
    say(`${transport}: ${passed} situations passed, ${skipped} skipped, ${failed.length} failed`);
  }
  return { passed: Object.values(figures).every(({ passed, failed }) => passed > 0 && failed.length === 0), ...figures };
}
