// Runs the long proofs: `npm run stress [-- --seed N] [--json] [--only name]`; `callers` and `dialogues` also
// take `--minutes N`, `callers` `--worlds N`. Each proof prints its figures, and decides whether it has passed.
import { callers } from './callers.js';
import { crashes } from './crashes.js';
import { cuts } from './cuts.js';
import { cycles } from './cycles.js';
import { dialogues } from './dialogues.js';
import { endings } from './endings.js';
import { executions } from './executions.js';
import { flood } from './flood.js';
import { flow } from './flow.js';
import { frames } from './frames.js';
import { handshakes } from './handshakes.js';
import { hosts } from './hosts.js';
import { hungry } from './hungry.js';
import { pools } from './pools.js';
import { stalls } from './stalls.js';
import { stops } from './stops.js';
import { transports } from './transports.js';
import { trees } from './trees.js';

const proofs = {
  callers,
  crashes,
  cuts,
  cycles,
  dialogues,
  endings,
  executions,
  flood,
  flow,
  frames,
  handshakes,
  hosts,
  hungry,
  pools,
  stalls,
  stops,
  transports,
  trees,
};
/** They take sizes. */
const TIMED = new Set(['callers', 'dialogues']);
const argument = name => {
  const at = process.argv.indexOf(`--${name}`);
  return at === -1 ? undefined : process.argv[at + 1];
};
const seed = Number(argument('seed') ?? Math.floor(Math.random() * 2 ** 31));
const json = process.argv.includes('--json');
const only = argument('only');
const sizes = {};
for (const name of ['minutes', 'worlds']) if (argument(name) !== undefined) sizes[name] = Number(argument(name));
if (sizes.worlds !== undefined) sizes.minutes ??= Number.POSITIVE_INFINITY;
let failed = false;
for (const [name, prove] of Object.entries(proofs)) {
  if (only !== undefined && only !== name) continue;
  const began = performance.now();
  const { passed, ...figures } = await prove(seed, text => json || console.log(`  ${text}`), TIMED.has(name) ? sizes : undefined);
  const seconds = Number(((performance.now() - began) / 1000).toFixed(1));
  failed ||= !passed;
  if (json) console.log(JSON.stringify({ name, seed, passed, seconds, ...figures }));
  else console.log(`${passed ? 'passed' : 'FAILED'}: ${name}, seed ${seed}, ${seconds} s\n`, figures);
}
process.exitCode = failed ? 1 : 0;
