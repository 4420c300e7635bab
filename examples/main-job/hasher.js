// An agent on serve(): hashes files and streams its progress.
import { createHash } from 'node:crypto';
import { createReadStream, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { serve } from 'spearlet/agent';

const filesIn = (folder, ending) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && entry.name.endsWith(ending))
    .map(entry => join(entry.parentPath ?? entry.path, entry.name))
    .sort();

async function hashOf(path) {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
}

await serve({
  // hash FOLDER ENDING: writes a line for each file and returns one hash of all.
  async hash({ args: [folder, ending] }, { write }) {
    const all = createHash('sha256');
    const files = filesIn(folder, ending);
    if (files.length === 0) return { exitCode: 2, error: `no ${ending} files in ${folder}` };
    for (const path of files) {
      const hash = await hashOf(path);
      all.update(hash);
      await write(`${hash.slice(0, 12)}  ${path}\n`);
    }
    return `${files.length} files, together ${all.digest('hex').slice(0, 12)}`;
  },

  // watch FOLDER: counts the files again and again until it is cancelled.
  async watch({ args: [folder] }, { write, signal }) {
    for (let round = 1; ; round += 1) {
      signal.throwIfAborted();
      await write(`round ${round}: ${filesIn(folder, '').length} files\n`);
      await sleep(50, undefined, { signal });
    }
  },
});
