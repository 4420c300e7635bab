// A host of a host: says the pids below it, and stays.
import { fileURLToPath } from 'node:url';
import { createSpearlet } from 'spearlet';

const spearlet = createSpearlet({ logger: false, ports: 0 });
const args = [fileURLToPath(new URL('nested-host.js', import.meta.url)), '0'];
const instance = await spearlet.start({ artifactId: 'outer', command: process.execPath, args });
process.stdout.write((await instance.execute({ command: 'pids' }).result).output);
