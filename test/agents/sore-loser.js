// Works, and ends with exit code 3 when it is told to end.
import { serve } from 'spearlet/agent';

await serve(() => '');
process.exit(3);
