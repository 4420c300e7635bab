// Serves in a worker thread; the program ends as its worker does.
import { isMainThread, Worker } from 'node:worker_threads';
import { serve } from 'spearlet/agent';

if (isMainThread) new Worker(new URL(import.meta.url)).once('exit', code => process.exit(code === 0 ? 7 : 8));
else await serve({ echo: request => request.args.join(' ') });
