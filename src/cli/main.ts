#!/usr/bin/env node
// The command `spearlet`: its subcommands and options, and the file that runs each subcommand.
import { closeSync, fstatSync, readFileSync } from 'node:fs';
import { isatty } from 'node:tty';
import { Command, CommanderError } from 'commander';
import { DEFAULT_GRACE } from '../limits.ts';
import { stderr, stdout } from '../world/stdio.ts';

/** The exit code for wrong usage. */
const USAGE = 2;

const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string };
const program = new Command('spearlet')
  .description('Runs other programs as agents.')
  .version(version)
  .exitOverride()
  .showHelpAfterError()
  // Must come before the subcommands, which inherit it.
  .configureOutput({ writeOut: text => stdout.write(text), writeErr: text => stderr.write(text) });

program
  .command('run')
  .argument('<config.json>', 'the configuration file')
  .option('--json', 'print one JSON object per line instead of text', false)
  .option('--grace <seconds>', 'how long each program may take to end by itself after Ctrl-C', String(DEFAULT_GRACE / 1000))
  .description('Starts all instances of the file and supervises them until Ctrl-C.')
  .action(async (file: string, options: { json: boolean; grace: string }) => {
    const { run } = await import('./run.ts');
    process.exitCode = await run(file, options);
  });

program
  .command('exec')
  .argument('<config.json>', 'the configuration file, with one agent')
  .argument('<command>', 'the command that the agent executes')
  .argument('[args...]', 'the arguments of the command')
  .option('--json', 'print updates and result as JSON, one object per line', false)
  .option('--timeout <seconds>', 'the longest time that the execution may take')
  .description("Starts one agent, runs one command on it, and passes output and exit code through. Write '--' before the command.")
  .action(async (file: string, command: string, args: string[], options: { json: boolean; timeout?: string }) => {
    const { exec } = await import('./exec.ts');
    process.exitCode = await exec(file, command, args, options);
  });

program
  .command('agent')
  .allowUnknownOption()
  .allowExcessArguments()
  .description('The agent that runs programs. A spearlet host starts it.')
  .action(async () => {
    const { agent } = await import('./agent.ts');
    process.exitCode = await agent();
  });

// When Node exits, it restores the terminal, and aborts if the terminal is gone (closed window, lost ssh). Then the exit code
// would be lost. So this closes the descriptors of a lost terminal before.
process.on('exit', () => {
  for (const fd of [0, 1, 2]) {
    try {
      if (fstatSync(fd).isCharacterDevice() && !isatty(fd)) closeSync(fd);
    } catch {
      // The descriptor is closed already.
    }
  }
});

try {
  await program.parseAsync();
} catch (thrown) {
  if (!(thrown instanceof CommanderError)) throw thrown;
  process.exitCode = thrown.exitCode === 0 ? 0 : USAGE;
}
