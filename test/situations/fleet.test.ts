// `spearlet run` with several agents: what it shows of them, and which of them go on when others fail.
import { expect, test } from 'vitest';
import { agent, begin, configFile, program } from './command.ts';

const script = (source: string) => ({ config: { command: process.execPath, args: ['-e', source] } });
const named = (name: string, instance: object) => ({ name, ...instance });
const linesOf = (text: string): Record<string, unknown>[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line) as Record<string, unknown>);

test('output stands under the padded name of its agent, escaped and cut; events have a time; nothing is coloured in a pipe', async () => {
  const hostile = 'a\x1b[2Jb';
  const source = `console.log(${JSON.stringify(`${hostile}\n2026-01-01T00:00:00.000Z long-name   ready`)}); console.error('x'.repeat(5000)); process.exit(3)`;
  const run = begin([
    'run',
    configFile({ instances: [named('long-name', script(source)), named('brief', program('fleeting.js', 'crash'))] }),
  ]);
  expect(await run.ended).toBe(3);
  const { stdout } = run.text;
  const lines = stdout.split('\n').filter(Boolean);
  expect(lines).toContain('long-name | a\\x1b[2Jb');
  expect(lines).toContain('long-name | 2026-01-01T00:00:00.000Z long-name   ready');
  expect(lines).toContain(`long-name | ${'x'.repeat(999)}…`);
  const time = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`;
  for (const line of lines) expect(line).toMatch(new RegExp(`^(long-name \\| |${time} (long-name|brief    )   )`));
  expect(stdout).toMatch(new RegExp(`^${time} brief       ended: crashed, exit code 4 \\(the program crashed\\)$`, 'm'));
  expect(stdout).toMatch(new RegExp(`^${time} brief         hint: It is not restarted: set "restart" to "transient"`, 'm'));
  expect(stdout).not.toContain('\x1b');
  // The error of the failed start has its hint.
  expect(run.text.stderr).toMatch(/^spearlet: EXITED_BEFORE_READY: long-name: [\s\S]*\n {2}Run the program by hand/m);
});

test('--json gives the same as data: one object a line, with a time; output by line and channel', async () => {
  const source = `process.stdout.write('one\\ntwo'); console.error('err'); process.exitCode = 3`;
  const run = begin([
    'run',
    '--json',
    configFile({ instances: [named('a', script(source)), named('brief', program('fleeting.js', 'crash'))] }),
  ]);
  expect(await run.ended).toBe(3);
  expect(run.text.stderr).toBe('');
  const lines = linesOf(run.text.stdout);
  const outputs = lines.filter(({ type }) => type === 'output');
  expect(outputs.map(({ channel, text }) => [channel, text]).sort()).toEqual([
    ['stderr', 'err'],
    ['stdout', 'one'],
    ['stdout', 'two'],
  ]);
  expect(outputs[0]).toMatchObject({ artifactId: 'a', instanceId: expect.stringMatching(/^a-/) });
  expect(lines.filter(({ type }) => type === 'error')).toMatchObject([
    { code: 'EXITED_BEFORE_READY', artifactId: 'a', hint: expect.any(String) },
  ]);
  const exits = lines.filter(({ type }) => type === 'instance.exited');
  expect(exits.find(({ artifactId }) => artifactId === 'a')).toMatchObject({
    report: { reason: 'crashed', code: 3, stderr: expect.stringContaining('err') },
  });
  expect(exits.find(({ artifactId }) => artifactId === 'brief')).toMatchObject({ hint: expect.stringContaining('not restarted') });
  for (const { time } of lines) expect(new Date(time as string).toISOString()).toBe(time);
});

test('one failing start does not end the others, and the exit code is 3 in the end', async () => {
  const missing = { config: { command: '/no/such/program' } };
  const run = begin(['run', configFile({ instances: [named('missing', missing), named('worker', agent)] })]);
  await run.written('stderr', 'SPAWN_FAILED');
  await run.written('stdout', /worker +ready/);
  run.child.kill('SIGINT');
  expect(await run.ended).toBe(3);
  expect(run.text.stdout).toMatch(/worker +ended: stopped, exit code 0/);
});

test('with --fail-fast one failing start ends the others, and only its error is printed', async () => {
  const missing = { config: { command: '/no/such/program' } };
  const instances = [named('missing', missing), { ...named('worker', program('hollow.js')), replicas: 3 }];
  const run = begin(['run', '--json', '--fail-fast', configFile({ grace: 0, instances })]);
  expect(await run.ended).toBe(3);
  expect(linesOf(run.text.stdout).filter(({ type }) => type === 'error')).toMatchObject([{ code: 'SPAWN_FAILED' }]);
});

test('the options of a file are in effect', async () => {
  const file = configFile({ grace: '100ms', instances: [{ name: 'stubborn', ...program('stubborn.js', 'connects') }] });
  const run = begin(['run', file]);
  await run.written('stdout', /stubborn +ready/);
  run.child.kill('SIGINT');
  expect(await run.ended).toBe(0);
  expect(run.text.stdout).toMatch(/stubborn +ended: stopped, SIGKILL/);
});

test('the output of a restarted program stands under the same name', async () => {
  const crasher = { ...program('fleeting.js', 'crash'), restart: 'permanent' };
  crasher.config.args.unshift('--import', `data:text/javascript,${encodeURIComponent("console.log('program ' + process.pid)")}`);
  const run = begin([
    'run',
    configFile({ restart: { intensity: 1, backoff: { min: '1ms', max: '1ms' } }, instances: [named('a', crasher)] }),
  ]);
  expect(await run.ended).toBe(1);
  expect(run.text.stdout.match(/^a \| program \d+$/gm)).toHaveLength(2);
  expect(run.text.stdout).toMatch(/a +given up: RESTART_LIMIT .*\n.* a {5}hint: Correct what makes it fail/);
});
