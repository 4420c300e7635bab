// The agent of the benchmarks.
import { serve } from 'spearlet/agent';

await serve({ echo: async request => request.args.join(' ') });
