// Writes what the documentation takes from the source: docs/errors.md and docs/config.schema.json. `npm run docs`
import { writeFileSync } from 'node:fs';
import { configJsonSchema } from '../dist/src/config.js';
import { errorCodes, hintOf } from '../dist/src/errors.js';

const here = name => new URL(name, import.meta.url);

export const errorsPage = () =>
  `# Error codes\n\nGenerated from \`src/errors.ts\` by \`npm run docs\`. Every failure is a \`SpearletError\` with one of these in \`code\`. Its \`hint\` says what to do; where spearlet knows more, it has a better one than this table.\n\n| code | meaning | what to do |\n|---|---|---|\n${Object.entries(
    errorCodes,
  )
    .map(([code, meaning]) => `| \`${code}\` | ${meaning} | ${hintOf(code)} |`)
    .join('\n')}\n`;
/** In one line: only editors read it, and the package has it. */
export const schemaText = () => `${JSON.stringify(configJsonSchema())}\n`;

if (process.argv[1] === new URL(import.meta.url).pathname) {
  writeFileSync(here('errors.md'), errorsPage());
  writeFileSync(here('config.schema.json'), schemaText());
}
