// Many agents of spearlet in one process. Each waits for requests that never come.
import { serve } from '../../dist/src/agent/index.js';

process.on('message', environments => {
  for (const environment of environments) void serve({}, { environment });
});
process.on('disconnect', () => process.exit(0));
