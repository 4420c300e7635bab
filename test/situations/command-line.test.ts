// The command line and the command agent, run as a user runs them.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { configJsonSchema, parseConfig, specsOf } from '../../src/config.ts';
import { instanceSpecFromConfig } from '../../src/index.ts';
import { agent, configFile, program, spearlet } from './command.ts';
import { agentFile, cli, commandAgent, failureOf, openSpearlet, seen, until } from './world.ts';

const seed = {
  runtime_type: 'process',
  config: {
    command: '/path/to/agent',
    args: ['--mode', 'spear-agent'],
    working_directory: '/tmp/spear-workspace',
    environment: { LOG_LEVEL: 'info' },
    timeout: 300,
    max_memory: '1GB',
  },
};
describe('configuration', () => {
  test('the example of the specification is parsed exactly', () => {
    const text =
      '{"runtime_type":"process","config":{"command":"/path/to/agent","args":["--mode","spear-agent"],"working_directory":"/tmp/spear-workspace","environment":{"LOG_LEVEL":"info"},"timeout":300,"max_memory":"1GB"}}';
    const { environment, ...spec } = instanceSpecFromConfig(text);
    expect(spec).toEqual({
      artifactId: 'agent',
      runtimeType: 'process',
      command: '/path/to/agent',
      args: ['--mode', 'spear-agent'],
      workingDirectory: '/tmp/spear-workspace',
      timeout: 300_000,
      maxMemory: 1e9,
    });
    expect(new Map(environment as Map<string, string>)).toEqual(new Map([['LOG_LEVEL', 'info']]));
    expect(instanceSpecFromConfig(seed)).toEqual(instanceSpecFromConfig(text));
  });

  test('the form with several instances has names, replicas and restart', () => {
    const specs = parseConfig({ instances: [{ ...seed, name: 'worker', replicas: 2, restart: 'permanent' }, seed] }).instances.flatMap(
      each => specsOf(each),
    );
    expect(specs.map(({ artifactId, restart }) => [artifactId, restart])).toEqual([
      ['worker-1', 'permanent'],
      ['worker-2', 'permanent'],
      ['agent', undefined],
    ]);
  });

  test('an error lists all issues, each with path, value and the nearest known key', async () => {
    const wrong = {
      instances: [
        {
          runtime_type: 'docker',
          config: { comand: 'x', args: ['--port', 8080], working_dir: '/', timeout: '300', max_memory: '1 pound', environment: { A: 1 } },
          replica: 2,
        },
      ],
    };
    const error = await failureOf((async () => parseConfig(wrong))());
    expect(error.code).toBe('INVALID_CONFIG');
    const issues = Object.fromEntries(error.issues!.map(({ path, didYouMean }) => [path, didYouMean]));
    expect(issues).toMatchObject({
      'instances.0.runtime_type': undefined,
      'instances.0.replica': 'replicas',
      'instances.0.config.comand': 'command',
      'instances.0.config.working_dir': 'working_directory',
      'instances.0.config.args.1': undefined,
      'instances.0.config.timeout': undefined,
      'instances.0.config.max_memory': undefined,
      'instances.0.config.environment.A': undefined,
    });
    expect(error.issues!.find(({ path }) => path.endsWith('args.1'))!.value).toBe(8080);
    expect(await failureOf((async () => instanceSpecFromConfig('{"runtime_type":'))())).toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringContaining('not JSON'),
    });
    for (const other of [null, [], 7, 'x', {}, { instances: [] }])
      expect(await failureOf((async () => parseConfig(other))())).toMatchObject({ code: 'INVALID_CONFIG' });
  });

  test('docs/config.schema.json is the JSON Schema of the configuration', () => {
    expect(JSON.parse(readFileSync(join(import.meta.dirname, '../../docs/config.schema.json'), 'utf8'))).toEqual(configJsonSchema());
  });
});

describe('spearlet exec', () => {
  test('passes output and exit code through', async () => {
    const file = configFile(agent);
    expect(await spearlet('exec', file, '--', 'echo', 'hello', '--world')).toEqual({ code: 0, stdout: 'hello --world\n', stderr: '' });
    expect(await spearlet('exec', file, '--', 'sh', '-c', 'echo out; exit 7')).toMatchObject({ code: 7, stdout: 'out\n' });
    expect(await spearlet('exec', file, '--', 'sh', '-c', 'kill -TERM $$')).toMatchObject({ code: 143 });
    expect(await spearlet('exec', file, '--', 'no-such-program')).toMatchObject({ code: 127 });
  });

  test('exits with 2 for usage or config, 124 for a timeout, 125 without an agent, 130 when cancelled', async () => {
    const file = configFile(agent);
    const exits = { runtime_type: 'process', config: { command: 'false' } };
    const [usage, unread, several, timeout, missing, exited] = await Promise.all([
      spearlet('exec'),
      spearlet('exec', '/no/such/file', '--', 'x'),
      spearlet('exec', configFile({ instances: [agent, agent] }), '--', 'x'),
      spearlet('exec', '--timeout', '0.2', file, '--', 'sleep', '100'),
      spearlet('exec', configFile(seed), '--', 'x'),
      spearlet('exec', configFile(exits), '--', 'x'),
    ]);
    expect([usage.code, unread.code, several.code, exited.code]).toEqual([2, 2, 2, 125]);
    expect(unread.stderr).toContain('INVALID_CONFIG');
    expect(timeout).toMatchObject({ code: 124, stderr: expect.stringContaining('EXECUTION_TIMEOUT') });
    expect(missing).toMatchObject({ code: 125, stderr: expect.stringContaining('SPAWN_FAILED') });
    const child = spawn(process.execPath, [cli, 'exec', file, '--', 'sh', '-c', 'echo begun; sleep 100']);
    await once(child.stdout, 'data');
    child.kill('SIGINT');
    expect((await once(child, 'close'))[0]).toBe(130);
  });

  test('ends when its reader has left, and on Ctrl-C while its reader does not read', async () => {
    const file = configFile(agent);
    const left = spawn(process.execPath, [cli, 'exec', file, '--', 'yes'], { stdio: ['ignore', 'pipe', 'ignore'] });
    await once(left.stdout, 'data');
    left.stdout.destroy();
    expect((await once(left, 'exit'))[0]).toBe(130);
    const stuck = spawn(process.execPath, [cli, 'exec', file, '--', 'yes'], { stdio: ['ignore', 'pipe', 'ignore'] });
    await once(stuck.stdout, 'readable');
    await until(() => stuck.stdout.readableLength > 0);
    await new Promise(resolve => setTimeout(resolve, 200));
    stuck.kill('SIGINT');
    expect((await once(stuck, 'exit'))[0]).toBe(130);
    stuck.stdout.destroy();
  });

  test('--json prints only JSON, with a code', async () => {
    const { stdout, code } = await spearlet('exec', '--json', configFile(agent), '--', 'sh', '-c', 'echo out; exit 3');
    const lines = stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as Record<string, unknown>);
    expect(code).toBe(3);
    expect(lines.map(({ status }) => status).slice(0, 2)).toEqual(['started', 'running']);
    expect(lines.at(-1)).toMatchObject({ code: 'EXECUTION_FAILED', exitCode: 3 });
    expect(JSON.parse((await spearlet('exec', '--json', configFile('{'), '--', 'x')).stderr)).toMatchObject({ code: 'INVALID_CONFIG' });
  });
});

describe('spearlet run', () => {
  test('supervises until Ctrl-C, prints a line for each change, and exits with 0', async () => {
    const file = configFile({ instances: [{ ...agent, name: 'worker', replicas: 2 }] });
    const child = spawn(process.execPath, [cli, 'run', file], { stdio: ['ignore', 'pipe', 'ignore'] });
    let text = '';
    child.stdout.on('data', chunk => {
      text += chunk;
    });
    await until(() => /worker-1 +ready/.test(text) && /worker-2 +ready/.test(text));
    child.kill('SIGINT');
    expect((await once(child, 'close'))[0]).toBe(0);
    expect(text).toMatch(/worker-1 +ended: stopped, exit code 0/);
    expect(text).toMatch(/worker-2 +stopped/);
  });

  test('a second Ctrl-C ends at once', async () => {
    const stubborn = { runtime_type: 'process', config: { command: process.execPath, args: [agentFile('stubborn.js'), 'connects'] } };
    const child = spawn(process.execPath, [cli, 'run', '--json', '--grace', '600', configFile(stubborn)], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let text = '';
    child.stdout.on('data', chunk => {
      text += chunk;
    });
    await until(() => text.includes('"state":"ready"'));
    child.kill('SIGINT');
    await until(() => text.includes('"state":"stopping"'));
    child.kill('SIGINT');
    expect((await once(child, 'close'))[0]).toBe(0);
    expect(text).toContain('"signal":"SIGKILL"');
  });

  test('exits with 1 if an instance was given up, 2 for a bad file, 3 if an instance could not start', async () => {
    expect(await spearlet('run', configFile('[]'))).toMatchObject({ code: 2 });
    expect(await spearlet('run', configFile(seed))).toMatchObject({ code: 3, stderr: expect.stringContaining('SPAWN_FAILED') });
    expect(await spearlet('run', configFile(program('fleeting.js', 'crash')))).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('ended: crashed, exit code 4'),
    });
  });
});

describe('the command agent', () => {
  test('runs programs, streams their output, and hides the token from them', async () => {
    const host = openSpearlet();
    const instance = await host.start(commandAgent);
    const { output, stderr } = await instance.execute(
      {
        command: 'sh',
        args: ['-c', 'echo "$GREETING [$SPEARLET_TOKEN] $SPEARLET_INSTANCE_ID"; echo err >&2'],
        env: { GREETING: 'hi' },
      },
      { collect: true },
    ).result;
    expect([output, stderr]).toEqual([`hi [] ${instance.id}\n`, 'err\n']);
    expect(await failureOf(instance.execute({ command: 'sh', args: ['-c', 'kill -KILL $$'] }).result)).toMatchObject({ exitCode: 137 });
    expect(await failureOf(instance.execute({ command: '/etc/passwd' }).result)).toMatchObject({ exitCode: 126 });
    const many = await Promise.all(
      Array.from({ length: 20 }, (_, i) => instance.execute({ command: 'echo', args: [String(i)] }, { collect: true }).result),
    );
    expect(many.map(result => result.output)).toEqual(Array.from({ length: 20 }, (_, i) => `${i}\n`));
    const big = await instance.execute(
      { command: 'sh', args: ['-c', 'head -c 3000000 /dev/zero | tr "\\0" "é"'] },
      { collect: true, reject: false },
    ).result;
    expect(big.status === 'failed' ? big.error : big.output!.length).not.toBe(0);
  });

  test('ends the whole tree of a cancelled program, even if it ignores SIGTERM', async () => {
    const host = openSpearlet();
    const instance = await host.start(commandAgent);
    for (const script of ['echo on; sleep 1000 & sleep 1000 & wait', 'trap "" TERM; echo on; sleep 1000 & sleep 1000']) {
      const execution = instance.execute({ command: 'sh', args: ['-c', script] });
      await seen(execution.updates$, ({ status }) => status === 'running');
      execution.cancel();
      await failureOf(execution.result);
    }
    const { pid } = instance;
    await until(() => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim() === '');
    expect((await instance.execute({ command: 'echo', args: ['alive'] }, { collect: true }).result).output).toBe('alive\n');
  });

  test('ends its programs when it ends in any way', async () => {
    const host = openSpearlet();
    for (const end of ['SIGKILL', 'stop'] as const) {
      const instance = await host.start(commandAgent);
      const execution = instance.execute({ command: 'sh', args: ['-c', 'echo on; sleep 1000 & sleep 1000'] });
      await seen(execution.updates$, ({ status }) => status === 'running');
      if (end === 'SIGKILL') process.kill(instance.pid!, 'SIGKILL');
      else await instance.stop({ grace: 1_000 });
      await instance.exited;
    }
  });

  test('ends with its host, and ends its programs', async () => {
    const host = spawn(process.execPath, [agentFile('dying-host.js'), cli], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(host.stdout, 'data')) as [Buffer];
    const pids = JSON.parse(String(line)) as number[];
    expect(pids.length).toBe(3);
    host.kill('SIGKILL');
    const alive = (pid: number) => {
      try {
        return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
      } catch {
        return false;
      }
    };
    await until(() => !pids.some(alive));
  });
});
