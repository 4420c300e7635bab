// Profiles the process that it runs in: functions by their samples, collections of garbage, and bytes allocated on the heap.
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { GCProfiler } from 'node:v8';

/** In µs. Shorter intervals slow the program down more than they tell. */
const INTERVAL = 250;

/** Resolves with a function that ends the profile, writes it to a file, and resolves with what the profile does not hold. */
export async function startProfile() {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: INTERVAL });
  const collections = new GCProfiler();
  let used = process.memoryUsage().heapUsed;
  collections.start();
  await session.post('Profiler.start');
  return async file => {
    const { profile } = await session.post('Profiler.stop');
    const { statistics } = collections.stop();
    session.disconnect();
    let allocated = 0;
    for (const { beforeGC, afterGC } of statistics) {
      allocated += beforeGC.heapStatistics.usedHeapSize - used;
      used = afterGC.heapStatistics.usedHeapSize;
    }
    writeFileSync(file, JSON.stringify(profile));
    return { allocated, collections: statistics.length };
  };
}
