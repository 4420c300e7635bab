// What a stretch of work costs both processes: CPU time, system calls that read and write, bytes; with a profile if one is wanted.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startProfile } from './profiler.js';

/** Counts of the kernel, which cost the process nothing. Linux only. */
function ioOf(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/io`, 'utf8');
    const field = name => Number(new RegExp(`^${name}: (\\d+)`, 'm').exec(text)[1]);
    return { reads: field('syscr'), writes: field('syscw'), written: field('wchar') };
  } catch {
    return null;
  }
}

const costs = (before, after, cpu, requests) => ({
  cpu: cpu / requests,
  ...(before === null || after === null
    ? {}
    : Object.fromEntries(Object.keys(before).map(key => [key, (after[key] - before[key]) / requests]))),
});

/**
 * Runs `act`, and resolves with its value and with what one of its `requests` has cost host and agent: `cpu` in µs, `reads` and
 * `writes` in system calls, `written` in bytes. With a folder the profiles of both are written to it.
 */
export async function record({ agent, requests, folder }, act) {
  if (folder !== undefined) await agent.profile('start');
  const stopProfile = folder === undefined ? null : await startProfile();
  const io = [process.pid, agent.pid].map(ioOf);
  const agentCpu = await agent.cpu();
  const cpu = process.cpuUsage();
  const value = await act();
  const { user, system } = process.cpuUsage(cpu);
  const agentUsed = (await agent.cpu()) - agentCpu;
  const ioAfter = [process.pid, agent.pid].map(ioOf);
  const result = {
    value,
    host: costs(io[0], ioAfter[0], user + system, requests),
    agent: costs(io[1], ioAfter[1], agentUsed, requests),
  };
  if (stopProfile === null) return result;
  const files = ['host', 'agent'].map(side => join(folder, `${side}.cpuprofile`));
  const found = [await stopProfile(files[0]), await agent.profile('stop', files[1])];
  const profiles = files.map((file, side) => ({ file, allocated: found[side].allocated / requests, collections: found[side].collections }));
  return { ...result, requests, profiles };
}
