// Describes a finding: the execution, the log of its instance around it, the notes of its readers, and the journal of the agent.

/** How long before and after the execution the log is printed, in ms. */
const MARGIN = 4_000;
const MAX_LINES = 80;

export function describe({ host, job, outcome, readers = [], asked = 0, settled, follows }, journal) {
  const { log, kind, proxied, peaceful, restart, onUnresponsive, id } = host;
  const lines = [
    `instance ${id}: ${kind}, ${proxied ? 'through the proxy' : 'direct'}, ${restart}${peaceful ? ', without faults' : ''}, onUnresponsive ${onUnresponsive}`,
  ];
  const from = asked - MARGIN;
  const to = (settled ?? Number.POSITIVE_INFINITY) + MARGIN;
  const shown = log.filter(({ at }) => job === undefined || (at >= from && at <= to));
  const rows = shown.map(({ at, what, code, text }) => ({ at, line: `${what}${code ? ` ${code}` : ''}${text ? ` ${text}` : ''}` }));
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
  lines.push(...rows.slice(-MAX_LINES).map(({ at, line }) => `  ${at.toFixed(0)} ${line}`));
  for (const reader of readers)
    lines.push(
      `  reader '${reader.kind}'${reader.first ? ', the first' : ''} from ${reader.began.toFixed(0)}: ${reader.lines.join(' | ')}`,
    );
  return lines.join('\n');
}
