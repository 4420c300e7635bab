// Says more than a slow reader takes, then its result, and is gone when it is told.
import { serve } from 'spearlet/agent';

await serve(
  (_request, { write }) => {
    for (let n = 0; n < 22; n += 1) void write('x'.repeat(65_536));
    return 'the end';
  },
  { onSignal: () => process.exit(0) },
);
