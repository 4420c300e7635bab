// What is compared. A peer is loaded only where it is measured, so none runs in a process that holds the code of another.
// `holdsIdle`: can hold idle connections, for W6. `isExtra`: is measured only where --peers names it.
export const peers = [
  { name: 'limit-tcp', load: async () => (await import('./peers/limit.js')).limitTcp, holdsIdle: true },
  { name: 'limit-json-tcp', load: async () => (await import('./peers/limit.js')).limitJson },
  { name: 'naive-v1', load: async () => (await import('./peers/naive-v1.js')).naiveV1 },
  { name: 'fork-json', load: async () => (await import('./peers/fork.js')).forkJson },
  { name: 'ws-corked', load: async () => (await import('./peers/ws.js')).wsCorked },
  { name: 'ws-idiomatic', load: async () => (await import('./peers/ws.js')).wsIdiomatic },
  { name: 'grpc-js', load: async () => (await import('./peers/grpc.js')).grpc },
  { name: 'spearlet', load: async () => (await import('./peers/spearlet.js')).spearletV2, holdsIdle: true },
  { name: 'spearlet-v1', load: async () => (await import('./peers/spearlet.js')).spearletV1 },
  { name: 'spearlet-unix', load: async () => (await import('./peers/spearlet.js')).spearletUnix, isExtra: true },
  { name: 'spearlet-fd', load: async () => (await import('./peers/spearlet.js')).spearletFd, isExtra: true },
  { name: 'spearlet-ws', load: async () => (await import('./peers/spearlet.js')).spearletWs, isExtra: true },
  { name: 'codec-v2', load: async () => (await import('./peers/codec.js')).codecV2, isExtra: true },
];
