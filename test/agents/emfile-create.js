// A host that is created when no file descriptor is left: `emfile-create.js <stateDir>`. Says what came of it, and, once
// there are descriptors again, of a start.
import { closeSync, openSync } from 'node:fs';
import { createSpearlet, SpearletError } from 'spearlet';

const taken = [];
try {
  for (;;) taken.push(openSync('/dev/null'));
} catch {
  // That was the last one.
}
const create = options => {
  try {
    return createSpearlet({ logger: false, ports: 0, ...options });
  } catch (error) {
    return { error: error instanceof SpearletError ? [error.code, error.cause?.code] : String(error) };
  }
};
const plain = create({});
const kept = create({ stateDir: process.argv[2] });
for (const descriptor of taken) closeSync(descriptor);
const file = new URL('everyday.js', import.meta.url).pathname;
const started = await plain.start?.({ artifactId: 'x', command: process.execPath, args: [file] }).then(
  ({ state }) => state,
  ({ code }) => code,
);
await plain.stop?.();
process.stdout.write(JSON.stringify([plain.error ?? 'created', kept.error ?? 'created', started]));
