// `npm run bench`: the workloads of every peer, interleaved, three rounds; medians, and ratios to limit-tcp and limit-json-tcp.
// Absolute figures of one machine mean little, so the ratios are what to read.
//   -- --quick          a tenth of each workload
//   -- --only W2,W3     some workloads
//   -- --peers a,b      some peers
//   -- --json           the figures as JSON
import { parseArgs } from 'node:util';
import { forkJson, wsCorked } from './peers/json.js';
import { limitJson, limitTcp } from './peers/limit.js';
import { spearletV1, spearletV2 } from './peers/spearlet.js';
import { w1, w2, w3, w4 } from './workloads.js';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    only: { type: 'string' },
    peers: { type: 'string' },
    rounds: { type: 'string', default: '3' },
  },
});
const scale = values.quick ? 0.1 : 1;
const chosen = (all, names) => (names === undefined ? all : all.filter(({ name }) => names.split(',').includes(name)));
const workloads = chosen([w1, w2, w3, w4], values.only);
const peers = chosen([limitTcp, limitJson, forkJson, wsCorked, spearletV2, spearletV1], values.peers);
const median = numbers => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];

const figures = new Map();
for (let round = 0; round < Number(values.rounds); round += 1)
  for (const workload of workloads)
    for (const peer of peers) {
      const open = await peer.open();
      const found = await workload.run(open, { scale });
      await open.close();
      const key = `${workload.name} ${peer.name}`;
      if (!figures.has(key)) figures.set(key, []);
      figures.get(key).push(typeof found === 'number' ? { value: found } : found);
      if (!values.json) process.stderr.write(`round ${round + 1}: ${key} ${(found.value ?? found).toFixed(1)} ${workload.unit}\n`);
    }

const rows = workloads.flatMap(workload => {
  const of = name => median((figures.get(`${workload.name} ${name}`) ?? [{ value: Number.NaN }]).map(({ value }) => value));
  return peers.map(({ name }) => {
    const runs = figures.get(`${workload.name} ${name}`);
    const value = of(name);
    return {
      workload: workload.name,
      peer: name,
      value: Number(value.toFixed(1)),
      unit: workload.unit,
      'x limit-tcp': Number((value / of('limit-tcp')).toFixed(2)),
      'x limit-json': Number((value / of('limit-json-tcp')).toFixed(2)),
      ...(runs[0].hostCpu === undefined
        ? {}
        : {
            'host CPU µs': Number(median(runs.map(({ hostCpu }) => hostCpu)).toFixed(2)),
            'agent CPU µs': Number(median(runs.map(({ agentCpu }) => agentCpu)).toFixed(2)),
          }),
    };
  });
});
if (values.json) console.log(JSON.stringify(rows));
else console.table(rows);
