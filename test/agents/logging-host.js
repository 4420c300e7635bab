// Logs with the default logger so many lines of so many characters, says on stdout that its event loop still turns, and
// ends in one of several ways once stdin has ended.
import { createLogger } from '../../dist/src/observe/log.js';

const [count, length, ending] = [Number(process.argv[2]), Number(process.argv[3]), process.argv[4]];
const logger = createLogger(undefined).child({ instanceId: 'one' });
for (let line = 0; line < count; line += 1) logger.info({ line, text: 'x'.repeat(length) }, 'a line');
process.stdout.write(`${JSON.stringify({ turning: true })}\n`);
process.stdin
  .on('data', () => {
    logger.info({ line: 'later' }, 'a line');
    process.stdout.write(`${JSON.stringify({ listens: process.eventNames().map(String) })}\n`);
  })
  .on('end', () => {
    for (let line = 0; line < 100; line += 1) logger.error({ last: line, text: 'x'.repeat(1_000) }, 'one of the last');
    if (ending === 'exit') process.exit(0);
    if (ending === 'throw') throw new Error('on purpose');
  });
