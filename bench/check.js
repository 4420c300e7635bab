// One echo and three chunks of every peer, without measuring: prints which peers answer. For test/bench/peers.test.ts.
import { peers } from './peers.js';

const check = async ({ name, load }) => {
  const peer = await load().catch(error => error);
  if (peer.code === 'ERR_MODULE_NOT_FOUND') return console.log(`${name}: not installed`);
  if (peer instanceof Error) throw peer;
  const opened = await peer.open();
  const agent = await opened.start();
  const chunks = [];
  const echo = await agent.echo('hello');
  const stream = await agent.stream(3, 10, chunk => chunks.push(chunk));
  await agent.close();
  await opened.close();
  console.log(`${name}: ${JSON.stringify([echo, stream].map(({ status, output, exitCode }) => [status, output, exitCode]))} ${chunks}`);
};
await Promise.all(peers.map(check));
