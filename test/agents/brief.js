// Works for a moment and crashes.
import { setTimeout as sleep } from 'node:timers/promises';
import { serve } from 'spearlet/agent';

void sleep(150).then(() => process.exit(4));
await serve(() => '');
