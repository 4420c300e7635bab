// Many agents in one process, for bench/idle.js: each line of stdin is the environment of one, as JSON.
import { createInterface } from 'node:readline';
import { serve } from '../../dist/src/agent/index.js';

for await (const line of createInterface({ input: process.stdin })) {
  serve({ echo: request => request.args.join(' ') }, { environment: JSON.parse(line) }).catch(error => console.error(error.message));
}
process.exit(0);
