// Medians of what was measured, their ratios and targets, and the tables that show them.
import { targets } from './targets.js';
import { workloads } from './workloads.js';

/** Without a middle one, of an even number, the better one of a time and the worse one of a rate. */
const median = numbers => [...numbers].sort((a, b) => a - b)[(numbers.length - 1) >> 1];

/** Field by field of results that have the same form. */
function medians(results) {
  const [first] = results;
  if (typeof first === 'number') return median(results);
  return Object.fromEntries(Object.keys(first).map(key => [key, medians(results.map(each => each[key]))]));
}

/** `measured`: a list of `{ workload, peer, result }`, one for each round. `run` says how and where it was measured. */
export function createReport(run, measured) {
  const groups = new Map();
  for (const { workload, peer, result } of measured) {
    const key = `${workload} ${peer}`;
    if (!groups.has(key)) groups.set(key, { workload, peer, results: [] });
    groups.get(key).results.push(result);
  }
  const rows = [...groups.values()].map(({ workload, peer, results }) => ({
    workload,
    peer,
    ...medians(results),
    rounds: results.map(({ value }) => value),
  }));
  const compared = targets.flatMap(target => {
    const [of, to] = [target.peer, target.against].map(name => rows.find(row => row.workload === target.workload && row.peer === name));
    if (!of || !to) return [];
    const ratio = of.value / to.value;
    // Less than the time on the wall it depends on what else the machine does.
    const cpu = of.host && to.host && (of.host.cpu + of.agent.cpu) / (to.host.cpu + to.agent.cpu);
    return [{ ...target, ratio, cpu, isReached: target.atMost === undefined ? ratio >= target.atLeast : ratio <= target.atMost }];
  });
  return { run, rows, targets: compared };
}

const number = (value, digits = value >= 100 ? 0 : 1) =>
  value === undefined ? '' : value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });

function table(head, rows) {
  const widths = head.map((title, n) => Math.max(title.length, ...rows.map(row => row[n].length)));
  const line = row => `| ${row.map((cell, n) => cell.padEnd(widths[n])).join(' | ')} |`;
  return [line(head), `|${widths.map(width => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(line)].join('\n');
}

function figures(rows) {
  const shown = workloads.filter(({ name }) => rows.some(({ workload }) => workload === name));
  const names = [...new Set(rows.map(({ peer }) => peer))];
  const cell = (workload, peer) => {
    const [own, limit] = [peer, 'limit-tcp'].map(name => rows.find(row => row.workload === workload && row.peer === name));
    if (own === undefined) return '';
    return limit === undefined ? number(own.value) : `${number(own.value)} (${number(own.value / limit.value, 2)})`;
  };
  return table(
    ['peer', ...shown.map(({ title }) => title)],
    names.map(peer => [peer, ...shown.map(({ name }) => cell(name, peer))]),
  );
}

/** Of one request, on both sides. */
function costs(rows, workload) {
  const sides = ['host', 'agent'];
  const fields = [
    ['cpu', 'CPU µs', 2],
    ['reads', 'reads', 3],
    ['writes', 'writes', 3],
    ['written', 'bytes written', 0],
  ];
  const head = ['peer', ...sides.flatMap(side => fields.map(([, title]) => `${side}: ${title}`))];
  const body = rows
    .filter(row => row.workload === workload && row.host !== undefined)
    .map(row => [row.peer, ...sides.flatMap(side => fields.map(([key, , digits]) => number(row[side][key], digits)))]);
  return body.length === 0 ? '' : table(head, body);
}

function reached(compared) {
  const body = compared.map(({ workload, peer, against, atMost, atLeast, ratio, cpu, isReached }) => [
    workload,
    peer,
    `${atMost === undefined ? `≥ ${atLeast}` : `≤ ${atMost}`} × ${against}`,
    number(ratio, 2),
    isReached ? 'yes' : 'no',
    number(cpu, 2),
  ]);
  return body.length === 0 ? '' : table(['workload', 'peer', 'target', 'measured', 'reached', 'CPU of both, × the same peer'], body);
}

/** As Markdown, which a terminal shows well enough. */
export function describe({ run, rows, targets: compared }) {
  const { command, date, commit, node, cores, load, rounds } = run;
  const costTables = ['W1/2', 'W2'].map(name => [name, costs(rows, name)]).filter(([, text]) => text !== '');
  const targetTable = reached(compared);
  return [
    `\`${command}\`, ${date}, commit ${commit}, Node ${node}, ${cores} cores, load before ${load}, medians of ${rounds} ${rounds === 1 ? 'round' : 'rounds'}:`,
    `Figures, and in parentheses their ratios to limit-tcp.\n\n${figures(rows)}`,
    ...costTables.map(([name, text]) => `What one request of ${name} costs.\n\n${text}`),
    ...(targetTable === '' ? [] : [`Targets.\n\n${targetTable}`]),
  ].join('\n\n');
}
