// What a finding is told by: the execution, what happened to its instance around it, what its readers saw, what the agent noted.
const AROUND = 4_000;
const LINES = 80;

export function storyOf({ host, job, outcome, readers = [], asked = 0, settled, follows }, journal) {
  const { log, kind, proxied, peaceful, restart, onUnresponsive, id } = host;
  const lines = [
    `instance ${id}: ${kind}, ${proxied ? 'through the proxy' : 'direct'}, ${restart}${peaceful ? ', in peace' : ''}, onUnresponsive ${onUnresponsive}`,
  ];
  const from = asked - AROUND;
  const to = (settled ?? Number.POSITIVE_INFINITY) + AROUND;
  const told = log.filter(({ at }) => job === undefined || (at >= from && at <= to));
  const rows = told.map(({ at, what, code, text }) => ({ at, line: `${what}${code ? ` ${code}` : ''}${text ? ` ${text}` : ''}` }));
  if (job !== undefined) {
    const { error, result } = outcome ?? {};
    lines.push(`job ${JSON.stringify(job)}${follows === undefined ? '' : `, a retry of ${follows}`}`);
    lines.push(`the agent noted ${JSON.stringify(journal?.get(job.nonce) ?? null)}`);
    rows.push({ at: asked, line: `>>> asked for ${job.nonce}` });
    for (const name of ['cancelled', 'aborted']) if (job[name] !== undefined) rows.push({ at: job[name], line: `>>> ${name}` });
    if (settled !== null)
      rows.push({
        at: settled,
        line: `>>> settled: ${error === undefined ? JSON.stringify({ ...result, output: undefined }) : `${error.code}: ${error.message}`}`,
      });
  }
  rows.sort((a, b) => a.at - b.at);
  lines.push(...rows.slice(-LINES).map(({ at, line }) => `  ${at.toFixed(0)} ${line}`));
  for (const reader of readers)
    lines.push(
      `  reader '${reader.kind}'${reader.first ? ', the first' : ''} from ${reader.began.toFixed(0)}: ${reader.lines.join(' | ')}`,
    );
  return lines.join('\n');
}
