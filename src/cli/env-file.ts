// Parses environment files: lines `NAME=value`, comment lines and empty lines.

const LINE = /^\s*(?:export\s+)?([A-Za-z_][\w.-]*)\s*=\s*(.*?)\s*$/;
const QUOTED = /^(["'])(.*)\1$/s;

/**
 * The variables of a text. A value may stand in quotes; in double quotes `\n`, `\"` and `\\` are a newline, a quote and a
 * backslash. Calls `refuse` with the number of each line that is none of these. Values may be secret, so nothing shows them.
 */
export function parseEnvFile(text: string, refuse: (line: number) => void): Map<string, string> {
  const variables = new Map<string, string>();
  for (const [at, line] of text
    .replace(/^\ufeff/, '')
    .split(/\r?\n/)
    .entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    const [, name, written = ''] = LINE.exec(line) ?? [];
    const [, quote, inner] = QUOTED.exec(written) ?? [];
    if (name === undefined || written.includes('\0') || (quote === undefined && /^["']/.test(written))) refuse(at + 1);
    else if (inner === undefined) variables.set(name, written);
    else variables.set(name, quote === '"' ? inner.replaceAll(/\\([n"\\])/g, (_, char: string) => (char === 'n' ? '\n' : char)) : inner);
  }
  return variables;
}
