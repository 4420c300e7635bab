// The benchmark compares answers that it has checked: here each peer gives one, without measuring.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const bench = join(import.meta.dirname, '../../bench');
const answers = '[["completed","hello",0],["completed","3",0]] xxxxxxxxxx,xxxxxxxxxx,xxxxxxxxxx';

test('every peer of the benchmark that is installed answers an echo and streams its chunks', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [join(bench, 'check.js')]);
  const lines = stdout.trim().split('\n').sort();
  const peers = [
    'codec-v2',
    'fork-json',
    'limit-json-tcp',
    'limit-tcp',
    'naive-v1',
    'spearlet',
    'spearlet-fd',
    'spearlet-unix',
    'spearlet-v1',
    'spearlet-ws',
    'ws-corked',
    'ws-idiomatic',
  ];
  // Only `npm run bench` installs grpc-js.
  expect(lines.filter(line => !line.startsWith('grpc-js'))).toEqual(peers.map(peer => `${peer}: ${answers}`).sort());
  expect([`grpc-js: ${answers}`, 'grpc-js: not installed']).toContain(lines.find(line => line.startsWith('grpc-js')));
});
