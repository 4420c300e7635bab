// serve(): connects the handlers of an agent to its host, and ends the agent when the host ends it or is gone.
import { isMainThread } from 'node:worker_threads';
import { SpearletError } from '../errors.ts';
import { bounds } from '../limits.ts';
import type { RequestSettings } from '../options/execution.ts';
import { featureOf } from '../protocol/message.ts';
import { createAnswers } from './answers.ts';
import { defer } from './clock.ts';
import { type HostEndpoint, readHostEndpoint } from './environment.ts';
import type { Handler } from './handler.ts';
import { exitWithHost, watchHost } from './host-watch.ts';
import { kindOf } from './result.ts';
import { openSession, type Session, type SessionHandlers } from './session.ts';
import { createTasks } from './task.ts';
import { type AgentWorld, loadWebSocketWorld, realWorld } from './world.ts';

/** The options of `serve()`. All may be left out. */
export interface ServeOptions {
  /** Called with the data of `instance.send(data)`. If it throws, this program gets an uncaught exception. */
  readonly onSignal?: (data: string) => void;
  /**
   * The settings of requests that the handlers honour: only these are sent to this agent. Default: none, and a request that has one is
   * refused before it is sent.
   */
  readonly settings?: readonly (keyof RequestSettings)[];
  /**
   * The variables that the host has set. By default process.env, from which serve() removes the token. If you give this
   * option, the host does not own this process: serve() leaves stdin and SIGTERM alone, never ends the process, and only
   * the connection tells it that the host is gone. The same holds in a worker thread.
   */
  readonly environment?: Record<string, string | undefined>;
}

/**
 * Connects to the host that started this program, authenticates, and executes requests with the handlers: one for all
 * commands, or one per command. Resolves when the host ended this agent or is gone. Rejects with SpearletError:
 * INVALID_OPTIONS (no host started this program), AUTH_REFUSED, VERSION_MISMATCH, LINK_LOST (the host could not be reached).
 */
export async function serve(handlers: Handler | Readonly<Record<string, Handler>>, options: ServeOptions = {}): Promise<void> {
  if (typeof handlers !== 'function' && (typeof handlers !== 'object' || handlers === null))
    throw new SpearletError('INVALID_OPTIONS', `serve() takes a handler or an object of handlers by command, not ${kindOf(handlers)}`);
  const features = featuresOf(options.settings ?? []);
  const endpoint = readHostEndpoint(options.environment ?? process.env);
  /** The host started this process and owns it: the process ends with the host. */
  const hostOwnsProcess = options.environment === undefined && isMainThread;
  // Children of this agent must not get its token.
  if (options.environment === undefined) delete process.env.SPEARLET_TOKEN;
  const world = endpoint.address.kind === 'ws' ? await loadWebSocketWorld() : realWorld;

  return new Promise((resolve, reject) => {
    const events: AgentEvents = {
      // In its own turn: if onSignal throws, the error is not the host's protocol error.
      signal: data => defer(() => options.onSignal?.(data)),
      // Printed only in a process that the host owns: a program that embeds an agent decides itself what its stderr shows.
      threw: hostOwnsProcess ? printException : undefined,
      ended(error, hostGone) {
        process.off('SIGTERM', onSigterm);
        unwatch();
        if (hostGone && hostOwnsProcess) exitWithHost(endpoint.instanceId);
        if (error === null) resolve();
        else reject(error);
      },
    };
    const session = connectHandlers(endpoint, handlers, events, world, features);
    const onSigterm = (): void => session.dispatch('terminate', true);
    if (hostOwnsProcess) process.on('SIGTERM', onSigterm);
    const unwatch = hostOwnsProcess ? watchHost(() => session.dispatch('host.gone')) : () => {};
  });
}

/** Throws INVALID_OPTIONS for a setting that is not known. */
function featuresOf(settings: readonly (keyof RequestSettings)[]): string[] {
  return settings.map(each => {
    if (Object.hasOwn(featureOf, each)) return featureOf[each];
    throw new SpearletError(
      'INVALID_OPTIONS',
      `serve() knows the settings ${Object.keys(featureOf).join(', ')}, not ${JSON.stringify(each)}`,
    );
  });
}

/** @internal */
export type AgentEvents = Pick<SessionHandlers, 'signal' | 'ended'> & {
  /** A handler has thrown an error with this stack. */
  readonly threw?: ((taskId: string, stack: string) => void) | undefined;
};

function printException(taskId: string, stack: string): void {
  process.stderr.write(`spearlet agent: task ${JSON.stringify(taskId)} threw ${stack}\n`);
}

/**
 * Connects handlers to a host: their executions, the answers, and the session. It does not know the process that it runs in.
 * @internal
 */
export function connectHandlers(
  endpoint: HostEndpoint,
  handlers: Handler | Readonly<Record<string, Handler>>,
  events: AgentEvents,
  world: AgentWorld = realWorld,
  features: readonly string[] = [],
): Session {
  const later = world.defer;
  let draining = false;
  const reportDrained = (): void => {
    if (draining && tasks.size === 0 && answers.queued === 0) session.dispatch('drained');
  };
  const answers = createAnswers(endpoint.maxFrameBytes, reportDrained);
  // Text takes up to 24 times its UTF-16 units on wire v1. So every update fits into a frame, whatever it holds.
  const updateSize = Math.max(1, Math.min(bounds.agentUpdate, Math.floor(endpoint.maxFrameBytes / 32)));
  const sizeOfUpdates = (): number => (answers.carriesBytes ? Math.min(updateSize, bounds.outputPiece) : updateSize);
  const hide = (text: string): string => text.replaceAll(endpoint.token, '[token]');
  const tasks = createTasks(handlers, answers, sizeOfUpdates, later, { hide, print: events.threw });
  const session: Session = openSession(
    endpoint,
    {
      features,
      opened: channel => answers.attach(channel, tasks.deliveries()),
      closed: () => answers.detach(),
      writable: () => answers.resumeWriters(),
      request: tasks.run,
      window: (requestId, bytes) => answers.window(requestId, bytes),
      cancel: tasks.cancel,
      signal: events.signal,
      draining(urgent) {
        draining = true;
        tasks.drain();
        if (urgent) tasks.abortAll('this agent has to end');
        if (tasks.size === 0) later(reportDrained);
      },
      ended(error, hostGone) {
        tasks.abortAll('this agent has ended');
        tasks.clear();
        answers.close();
        events.ended(error, hostGone);
      },
    },
    world,
  );
  return session;
}
