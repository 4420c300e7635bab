// `npm run draw`: writes the drawings of all machines beside this file.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { drawingsOf, machines } from './drawings.ts';

for (const machine of machines)
  for (const [name, content] of Object.entries(await drawingsOf(machine))) writeFileSync(join(import.meta.dirname, name), content);
