// A program that serves beside its own work: its stdin, its signals and its end are its own.
import { serve } from 'spearlet/agent';

process.on('SIGTERM', () => process.send('SIGTERM'));
process.on('message', ({ leave }) => process.exit(leave));
process.stdin.on('end', () => process.send('stdin ended'));
process.stdin.resume();

await serve({ echo: request => request.args.join(' ') }, { environment: { ...process.env } });
process.send('served');
