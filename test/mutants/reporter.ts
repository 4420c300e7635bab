// A vitest reporter and an order of tests for mutants: each result is a line of JSON at once, so that silence means a hang,
// and the files run in the order in which they were asked for.
import type { Reporter, TestSpecification } from 'vitest/node';

export type Line = { readonly file: string; readonly title: string; readonly state: string; readonly ms: number };

const tell = (line: Line): void => void process.stdout.write(`\n${JSON.stringify(line)}\n`);

export const reporter: Reporter = {
  onTestCaseResult(test) {
    const { state } = test.result();
    tell({ file: test.module.relativeModuleId, title: test.fullName, state, ms: test.diagnostic()?.duration ?? 0 });
  },
  onTestModuleEnd(module) {
    const { duration, prepareDuration, collectDuration } = module.diagnostic();
    const broken = module.errors().length > 0;
    tell({
      file: module.relativeModuleId,
      title: '',
      state: broken ? 'failed' : 'passed',
      ms: duration + prepareDuration + collectDuration,
    });
  },
};

const order = (process.env.MUTANT_ORDER ?? '').split(',');

export class Sequencer {
  sort(specifications: TestSpecification[]): TestSpecification[] {
    const placeOf = ({ moduleId }: TestSpecification): number => order.findIndex(each => moduleId.endsWith(`/${each}`));
    return [...specifications].sort((a, b) => placeOf(a) - placeOf(b));
  }
  shard(specifications: TestSpecification[]): TestSpecification[] {
    return specifications;
  }
}
