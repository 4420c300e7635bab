// Shared by the tests of behaviours that users of other supervisors rely on. Instances that live for a whole file keep the tests cheap.
import { afterAll, beforeAll, test } from 'vitest';
import { createSpearlet, type Execution, type Instance, type InstanceSpec, type Spearlet } from '../../../src/index.ts';
import { processTable } from '../../../src/process/tree/proc-table.ts';
import { atEnd, remember } from '../../census/census.ts';
import { agentFile, commandAgent } from '../world.ts';

/** A test of a behaviour in which spearlet differs on purpose. docs/operations.md has a row with its title. */
export const differs = test;

/** A spearlet for all tests of a file. */
export function sharedSpearlet(): () => Spearlet {
  let spearlet: Spearlet;
  beforeAll(() => {
    spearlet = createSpearlet({ logger: false, ports: 0 });
  });
  afterAll(() => spearlet.stop({ grace: 0 }));
  return () => spearlet;
}

/** An instance for all tests of a file; by default of the command agent. This process has the variables while it starts. */
export function sharedInstance(
  spearlet: () => Spearlet,
  spec: InstanceSpec = commandAgent,
  variables: Readonly<Record<string, string>> = {},
): () => Instance {
  let instance: Instance;
  beforeAll(async () => {
    Object.assign(process.env, variables);
    instance = await spearlet().start(spec);
    for (const name of Object.keys(variables)) delete process.env[name];
    remember(instance.id);
  });
  return () => instance;
}

/** Starts an instance that is stopped at the end of the test. */
export async function begin(spearlet: Spearlet, spec: Partial<InstanceSpec> = {}): Promise<Instance> {
  const instance = await spearlet.start({ ...ends('stay'), ...spec });
  remember(instance.id);
  atEnd(() => instance.stop({ grace: 0 }));
  return instance;
}

/** An agent in bash, which costs a tenth of one on serve(): once it is ready it ends with a code or by a signal, or stays. */
export const ends = (how: number | NodeJS.Signals | 'stay'): InstanceSpec => ({
  artifactId: 'ends',
  command: 'bash',
  args: [agentFile('ends.sh'), String(how)],
});

/** Not so for a process that has ended and is not reaped yet. */
export const lives = (pid: number): boolean => processTable.entry(pid)?.living ?? false;

/** A failure at a moment that the test chooses. */
export const crash = ({ pid }: Instance): unknown => process.kill(pid!, 'SIGKILL');

export const quick = { min: 1, max: 1, jitter: 'none' } as const;
export const sh = (script: string, ...args: string[]) => ({ command: 'sh', args: ['-c', script, ...args] });

/** The numbers in the output that have come when there are so many. */
export async function numbersOf({ updates$, result }: Execution, count: number): Promise<number[]> {
  result.catch(() => {});
  let text = '';
  return new Promise(resolve => {
    updates$.subscribe(({ output }) => {
      text += output ?? '';
      const numbers = text.match(/\d+(?=\n)/g) ?? [];
      if (numbers.length >= count) resolve(numbers.map(Number));
    });
  });
}
