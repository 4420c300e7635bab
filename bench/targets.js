// What spearlet has to reach, each row against another peer in the same run.
export const targets = [
  { workload: 'W1/2', peer: 'spearlet', against: 'limit-tcp', atMost: 1.25 },
  { workload: 'W1/1', peer: 'spearlet', against: 'limit-tcp', atMost: 1.4 },
  { workload: 'W2', peer: 'spearlet', against: 'limit-json-tcp', atLeast: 1 },
  { workload: 'W2', peer: 'spearlet', against: 'fork-json', atLeast: 1 },
  { workload: 'W2', peer: 'spearlet', against: 'ws-corked', atLeast: 1 },
  { workload: 'W2', peer: 'spearlet', against: 'grpc-js', atLeast: 1 },
  { workload: 'W3', peer: 'spearlet', against: 'limit-tcp', atLeast: 0.75 },
  { workload: 'W4', peer: 'spearlet', against: 'limit-tcp', atLeast: 0.85 },
  { workload: 'W5', peer: 'spearlet', against: 'limit-tcp', atMost: 1.15 },
  { workload: 'W6/5000', peer: 'spearlet', against: 'limit-tcp', atMost: 3 },
  { workload: 'W2', peer: 'spearlet-v1', against: 'naive-v1', atLeast: 2 },
  { workload: 'W3', peer: 'spearlet-v1', against: 'naive-v1', atLeast: 2 },
  { workload: 'W4', peer: 'spearlet-v1', against: 'naive-v1', atLeast: 2 },
];
