// Has the wrong token, and says what came of it.
import { serve } from 'spearlet/agent';

process.env.SPEARLET_TOKEN = 'wrong';
await serve(() => 'never').catch(error => process.stderr.write(`${error.code}\n`));
setInterval(() => {}, 1_000);
