// What `npm run bench` makes of its measurements.
import { join } from 'node:path';
import { expect, test } from 'vitest';

interface Report {
  readonly rows: readonly { readonly peer: string; readonly value: number; readonly host?: { readonly cpu: number } }[];
  readonly targets: readonly { readonly against: string; readonly ratio: number; readonly cpu: number; readonly isReached: boolean }[];
}
const { createReport, describe } = (await import(join(import.meta.dirname, '../../bench/report.js'))) as {
  createReport(run: object, measured: readonly object[]): Report;
  describe(report: Report): string;
};

const run = { command: 'npm run bench', date: 'today', commit: 'abc', node: '20', cores: 2, load: '0', rounds: 3 };
const rounds = (workload: string, peer: string, values: readonly number[]) =>
  values.map(value => ({ workload, peer, result: { value, host: { cpu: value / 10 }, agent: { cpu: 1 } } }));

test('a row of the report holds medians, also of the costs of each side', () => {
  const { rows } = createReport(run, rounds('W2', 'spearlet', [500, 100, 300]));
  expect(rows).toMatchObject([{ peer: 'spearlet', value: 300, host: { cpu: 30 } }]);
});

test('a time must be at most, a rate at least so many times that of the other peer', () => {
  const { targets } = createReport(run, [
    ...rounds('W1/2', 'limit-tcp', [100]),
    ...rounds('W1/2', 'spearlet', [130]),
    ...rounds('W3', 'limit-tcp', [100]),
    ...rounds('W3', 'spearlet', [80]),
  ]);
  expect(targets).toMatchObject([
    { against: 'limit-tcp', ratio: 1.3, cpu: 14 / 11, isReached: false },
    { against: 'limit-tcp', ratio: 0.8, isReached: true },
  ]);
});

test('the tables show each figure with its ratio to limit-tcp, and leave out targets that were not measured', () => {
  const text = describe(createReport(run, [...rounds('W2', 'limit-tcp', [1_000]), ...rounds('W2', 'spearlet', [250])]));
  expect(text).toContain('| spearlet  | 250 (0.25)   |');
  expect(text).not.toContain('Targets');
});
