// Replaces ${VAR} and ${VAR:-default} in the texts of a configuration file. `$${` stands for the text `${`.
import type { OptionIssue } from '../index.ts';

const REFERENCE = /\$\$\{|\$\{([^}]*)(\}?)/g;
const NAMED = /^([A-Za-z_]\w*)(?::-(.*))?$/s;

/**
 * Returns the value with all variables replaced. Keys stay as they are. As in a shell, the default also replaces an empty
 * variable. Adds an issue for each variable that is not set and has no default.
 */
export function withVariables(
  value: unknown,
  environment: NodeJS.ProcessEnv,
  issues: OptionIssue[],
  path: readonly string[] = [],
): unknown {
  if (Array.isArray(value)) return value.map((each, i) => withVariables(each, environment, issues, [...path, String(i)]));
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, withVariables(each, environment, issues, [...path, key])]));
  if (typeof value !== 'string') return value;
  const refuse = (message: string): string => {
    issues.push({ path: path.join('.'), value, message });
    return '';
  };
  return value.replaceAll(REFERENCE, (reference, inner: string | undefined, end: string | undefined) => {
    if (inner === undefined) return '${';
    const [, name, fallback] = NAMED.exec(inner) ?? [];
    if (name === undefined || end === '')
      return refuse(`'${reference}' is no variable: write \${NAME} or \${NAME:-default}, or $\${ for the text \${`);
    const found = environment[name];
    if (found !== undefined && (found !== '' || fallback === undefined)) return found;
    return fallback ?? refuse(`the variable '${name}' is not set: set it, or write \${${name}:-default}`);
  });
}
