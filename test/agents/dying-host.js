// A host that says the pids of its agent and of the program that runs there, and is then killed.
import { createSpearlet } from 'spearlet';

const spearlet = createSpearlet({ logger: false, ports: 0 });
const sdk = await spearlet.start({
  artifactId: 'sdk',
  command: process.execPath,
  args: [new URL('everyday.js', import.meta.url).pathname],
});
const agent = await spearlet.start({ artifactId: 'command', command: process.execPath, args: [process.argv[2], 'agent'] });
sdk.execute({ command: 'wait' });
const execution = agent.execute({ command: 'sh', args: ['-c', 'echo $$; exec sleep 1000'] });
execution.updates$.subscribe(({ output }) => {
  if (output !== undefined) process.stdout.write(JSON.stringify([sdk.pid, agent.pid, Number(output)]));
});
