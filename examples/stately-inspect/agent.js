import { setTimeout as sleep } from 'node:timers/promises';
import { serve } from 'spearlet/agent';

await serve({
  work: () => sleep(500),
  crash: () => process.exit(1),
});
