// One workload of one peer in a process of its own, which is the host: `node --expose-gc bench/measure.js '{"peer":"spearlet",
// "workload":"W2","scale":0.1}'`. Prints the result as JSON, as the last line of stdout.
import { peers } from './peers.js';
import { workloads } from './workloads.js';

const { peer: peerName, workload: workloadName, scale, folder } = JSON.parse(process.argv[2]);
const workload = workloads.find(({ name }) => name === workloadName);
const peer = await peers.find(({ name }) => name === peerName).load();
const opened = await peer.open({ manyConnections: workload.idle });
const result = await workload.run(opened, { scale, folder });
// Thousands of orderly ends take longer than the measurement. The processes of those connections end with this one.
if (workload.idle) {
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
} else {
  await opened.close();
  console.log(JSON.stringify(result));
}
