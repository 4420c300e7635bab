// What the process of an incarnation is started with, and what is written down of it while it runs.

import type { ParsedOptions } from '../options.ts';
import { cleanEnvironment, findProgram } from '../process/environment.ts';
import type { Engine } from '../supervisor/registry.ts';
import type { World } from '../supervisor/wiring.ts';
import type { ProcessDeps } from './process.ts';

export interface LaunchDeps extends Pick<ProcessDeps, 'hold'> {
  readonly world: World;
  readonly options: ParsedOptions;
  readonly engine: Engine;
  hinting<T>(instanceId: string, effect: () => T): T;
}

export function createLaunch({ world, options, engine, hold, hinting }: LaunchDeps): ProcessDeps {
  const { clock, programs } = world;
  const runOf = (instanceId: string) => engine.record(instanceId).run;
  return {
    spawn: programs.spawn,
    memory: programs.memory,
    hold,
    program(instanceId) {
      const { spec, output, address, token, contained } = engine.record(instanceId);
      if (spec === null) return null;
      const workingDirectory = spec.workingDirectory ?? world.workingDirectory;
      const environment = cleanEnvironment(world.environment, spec.environment, {
        SPEARLET_ADDR: address ?? '',
        SPEARLET_TOKEN: token,
        SPEARLET_INSTANCE_ID: instanceId,
        SPEARLET_MAX_FRAME_BYTES: String(options.maxFrameBytes),
      });
      const command = hinting(instanceId, () => findProgram(spec.command, workingDirectory, environment));
      const namespace = contained.namespace === null ? {} : { namespace: contained.namespace };
      return { program: { command, args: spec.args, workingDirectory, environment, ...namespace }, output, maxMemory: spec.maxMemory };
    },
    started(instanceId, running) {
      runOf(instanceId).program = running;
    },
    spawned(instanceId, pid) {
      const record = engine.record(instanceId);
      record.pid = pid;
      record.run.spawnedAt = clock.now();
      engine.spawned(record);
    },
    exited(instanceId, exit) {
      runOf(instanceId).exitedAt = clock.now();
      runOf(instanceId).exit = exit;
    },
    ended(instanceId, ending) {
      runOf(instanceId).ending = ending;
    },
    measured(instanceId, bytes) {
      const run = runOf(instanceId);
      run.peakMemory = Math.max(run.peakMemory ?? 0, bytes);
    },
  };
}
