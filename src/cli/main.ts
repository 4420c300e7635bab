#!/usr/bin/env node
// The command `spearlet`: its subcommands and options, and the file that runs each subcommand.
import { closeSync, fstatSync, readFileSync } from 'node:fs';
import { isatty } from 'node:tty';
import { Command, CommanderError } from 'commander';
import { DEFAULT_GRACE } from '../limits.ts';
import { stderr, stdout } from '../world/stdio.ts';
import type { ExecOptions } from './exec.ts';
import { USAGE } from './exit-codes.ts';
import type { RunOptions } from './run.ts';

const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string };
const program = new Command('spearlet')
  .description('Runs other programs as agents.')
  .version(version)
  .exitOverride()
  // For `exec`, whose command has options of its own.
  .enablePositionalOptions()
  .showHelpAfterError()
  // Must come before the subcommands, which inherit it.
  .configureOutput({ writeOut: text => stdout.write(text), writeErr: text => stderr.write(text) });

program
  .command('run')
  .argument('<config.json>', 'the configuration file')
  .option('--json', 'print one JSON object per line instead of text', false)
  .option('--fail-fast', 'stop all instances when one could not start', false)
  .option(
    '--grace <duration>',
    `how long each program may take to end by itself after Ctrl-C (default: 'grace' of the file, or ${DEFAULT_GRACE / 1000} s)`,
  )
  .description('Starts all instances of the file and supervises them until Ctrl-C. Durations are seconds, or texts like 250ms.')
  .action(async (file: string, options: RunOptions) => {
    const { run } = await import('./run.ts');
    process.exitCode = await run(file, options);
  });

program
  .command('check')
  .argument('<config.json>', 'the configuration file')
  .option('--json', 'print one JSON object', false)
  .description('Checks the file and starts nothing.')
  .action(async (file: string, options: { json: boolean }) => {
    const { check } = await import('./check.ts');
    process.exitCode = check(file, options.json);
  });

program
  .command('exec')
  .argument('<config.json>', 'the configuration file, with one agent')
  .argument('<command...>', 'the command that the agent executes, and its arguments')
  .option('--json', 'print updates and result as JSON, one object per line', false)
  .option('--timeout <duration>', 'the longest time that the execution may take: seconds, or a text like 250ms')
  .option('--no-input', 'do not read stdin')
  .passThroughOptions()
  .description('Starts one agent, runs one command on it, and passes stdin, output and exit code through.')
  .action(async (file: string, words: string[], options: ExecOptions) => {
    const [command, ...args] = words[0] === '--' ? words.slice(1) : words;
    if (command === undefined)
      return program.commands.find(each => each.name() === 'exec')!.error("error: missing required argument 'command'");
    const { exec } = await import('./exec.ts');
    process.exitCode = await exec(file, command, args, options);
  });

program
  .command('agent')
  .option('--json', 'print one JSON object per line instead of text', false)
  .description('The agent that runs programs. A spearlet host starts it.')
  .action(async ({ json }: { json: boolean }) => {
    const { agent } = await import('./agent.ts');
    process.exitCode = await agent(json);
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
