// Prepares the program of an incarnation (path, environment, namespace), and records its start and exit in the instance's record.

import type { ParsedOptions } from '../option-schemas.ts';
import { cleanEnvironment, findProgram } from '../process/environment.ts';
import { agentEnvironment } from './agent-environment.ts';
import type { InstanceSupervisor } from './instance-supervisor.ts';
import type { ProcessDeps } from './process.ts';
import type { World } from './world.ts';

export interface LaunchDeps {
  readonly world: World;
  readonly options: ParsedOptions;
  readonly supervisor: InstanceSupervisor;
}

export function createLaunch({ world, options, supervisor }: LaunchDeps): ProcessDeps {
  const { clock, programs } = world;
  return {
    supervisor,
    spawn: programs.spawn,
    memory: programs.memory,
    program(record) {
      const { spec, output, contained } = record;
      if (spec === null) return null;
      const workingDirectory = spec.workingDirectory ?? world.workingDirectory;
      const environment = cleanEnvironment(world.environment, spec.environment, agentEnvironment(record, options));
      const command = findProgram(spec.command, workingDirectory, environment);
      const namespace = contained.namespace === null ? {} : { namespace: contained.namespace };
      const inheritsSocket = record.transport === 'fd';
      const program = { command, args: spec.args, workingDirectory, environment, inheritsSocket, ...namespace };
      return { program, output, maxMemory: spec.maxMemory };
    },
    spawned(record, pid) {
      record.pid = pid;
      record.run.spawnedAt = clock.now();
      supervisor.spawned(record);
    },
    inherited(record, stream) {
      if (record.acceptInherited === null) stream.close();
      else record.acceptInherited(stream);
    },
    exited({ run }, exit) {
      run.exitedAt = clock.now();
      run.exit = exit;
    },
  };
}
