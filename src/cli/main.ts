#!/usr/bin/env node
// The command `spearlet`: what can be said on its line, and which file does it.
import { closeSync, fstatSync, readFileSync } from 'node:fs';
import { isatty } from 'node:tty';
import { Command, CommanderError } from 'commander';
import { stderr, stdout } from '../world/stdio.ts';

/** Usage or configuration. */
const USAGE = 2;

const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string };
const program = new Command('spearlet')
  .description('Runs other programs as agents.')
  .version(version)
  .exitOverride()
  .showHelpAfterError()
  // Before the subcommands: they take it over.
  .configureOutput({ writeOut: text => stdout.write(text), writeErr: text => stderr.write(text) });

program
  .command('run')
  .argument('<config.json>', 'what to run')
  .option('--json', 'one JSON object a line instead of text', false)
  .option('--grace <seconds>', 'how long each has to end by itself on Ctrl-C', '5')
  .description('Starts what the file names and supervises it until Ctrl-C.')
  .action(async (file: string, options: { json: boolean; grace: string }) => {
    const { run } = await import('./run.ts');
    process.exitCode = await run(file, options);
  });

program
  .command('exec')
  .argument('<config.json>', 'the agent')
  .argument('<command>', 'what it shall execute')
  .argument('[args...]', 'with these arguments')
  .option('--json', 'updates and result as JSON objects, one a line', false)
  .option('--timeout <seconds>', 'the longest it may take')
  .description("Starts one agent, runs one execution, passes its output and exit code through. Write '--' before the command.")
  .action(async (file: string, command: string, args: string[], options: { json: boolean; timeout?: string }) => {
    const { exec } = await import('./exec.ts');
    process.exitCode = await exec(file, command, args, options);
  });

program
  .command('agent')
  .allowUnknownOption()
  .allowExcessArguments()
  .description('Is an agent whose executions run programs; started by a spearlet host.')
  .action(async () => {
    const { agent } = await import('./agent.ts');
    process.exitCode = await agent();
  });

// At its end Node sets the terminal back, and aborts where that is gone (closed window, lost ssh): the exit code would be lost.
process.on('exit', () => {
  for (const fd of [0, 1, 2]) {
    try {
      if (fstatSync(fd).isCharacterDevice() && !isatty(fd)) closeSync(fd);
    } catch {
      // It is closed already.
    }
  }
});

try {
  await program.parseAsync();
} catch (thrown) {
  if (!(thrown instanceof CommanderError)) throw thrown;
  process.exitCode = thrown.exitCode === 0 ? 0 : USAGE;
}
