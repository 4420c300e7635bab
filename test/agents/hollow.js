// Tells its environment on stdout and stays until its host is gone: somebody else plays its agent.
process.stdout.write(`${JSON.stringify(process.env)}\n`);
process.stdin.on('end', () => process.exit(0));
process.stdin.resume();
