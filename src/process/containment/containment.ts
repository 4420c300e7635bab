// Containment: how the processes of an instance are kept together. Compares what a spec asks for with what the system offers,
// and refuses the start where a requirement does not hold.
import { SpearletError } from '../../errors.ts';
import type { ParsedSpec } from '../../option-schemas.ts';
import { cleanEnvironment } from '../environment.ts';
import type { Programs } from '../programs.ts';
import type { Namespace } from './namespace.ts';

/** How the processes of an instance are kept together, as it is in effect. */
export interface Containment {
  /**
   * `namespace`: the kernel ends all processes with the first one. `cookie`: every process that is found by parent, group,
   * session or environment is ended. `group`: only the process group is ended. `none`: spearlet has not started the program.
   */
  readonly tree: 'namespace' | 'cookie' | 'group' | 'none';
  /** No process of the program outlives this host, even if the host is killed. */
  readonly diesWithHost: boolean;
  /** `sampled`: `maxMemory` is enforced by samples that are at most 250 ms apart. */
  readonly memory: 'sampled' | 'unlimited';
}

/** @internal */
export interface Contained {
  readonly containment: Containment;
  readonly namespace: Namespace | null;
  /** Why there is no namespace although the spec asks for one. */
  readonly lacking: string | null;
}

/** @internal */
export const uncontained: Contained = {
  containment: { tree: 'none', diesWithHost: false, memory: 'unlimited' },
  namespace: null,
  lacking: null,
};

const STRENGTH = { none: 0, group: 1, cookie: 2, namespace: 3 };

/** The requirements that do not hold, in words. */
function unmet({ requireContainment: required = {}, maxMemory }: ParsedSpec, { tree, diesWithHost, memory }: Containment): string[] {
  const lacks: string[] = [];
  if (required.tree !== undefined && STRENGTH[tree] < STRENGTH[required.tree])
    lacks.push(`the containment of the tree is '${tree}', not '${required.tree}'`);
  if (required.diesWithHost && !diesWithHost) lacks.push('its processes would outlive a host that is killed');
  if (required.memory !== undefined && memory !== required.memory)
    lacks.push(`its memory is ${memory}${maxMemory === undefined ? ', since there is no maxMemory' : ''}`);
  return lacks;
}

/**
 * Tries a namespace only where the spec asks for one. Rejects with CONTAINMENT_UNAVAILABLE.
 * @internal
 */
export async function contain(spec: ParsedSpec, programs: Programs, environment: NodeJS.ProcessEnv): Promise<Contained> {
  const { artifactId, containment: asked, requireContainment: required = {}, maxMemory } = spec;
  const wanted = asked === 'namespace' || required.tree === 'namespace' || required.diesWithHost === true;
  const found = wanted ? await programs.namespace(cleanEnvironment(environment, new Map(), {})) : null;
  const namespace = found?.works ? found : null;
  const containment: Containment = {
    tree: namespace === null ? programs.tree : 'namespace',
    diesWithHost: namespace !== null,
    memory: maxMemory !== undefined && programs.tree !== 'group' ? 'sampled' : 'unlimited',
  };
  const lacking = namespace === null ? (found?.why ?? null) : null;
  const lacks = unmet(spec, containment);
  if (lacks.length === 0) return { containment, namespace, lacking };
  const because = lacking === null ? '' : ` (a namespace is not available here: ${lacking})`;
  throw new SpearletError('CONTAINMENT_UNAVAILABLE', `${artifactId} is not started: ${lacks.join('; ')}${because}`, {
    artifactId,
    hint: 'A namespace needs Linux, setpriv and unshare of util-linux, and the right to create one. Otherwise require less.',
  });
}
