// serve(): the handlers of an agent, and what becomes of each request. It knows nothing of how the host is reached.
import { reasonOf, SpearletError } from '../errors.ts';
import type { Link } from '../link/link.ts';
import type { ExecuteRequest, ExecuteResponse, U64 } from '../protocol/message.ts';
import { encodeExecuteResponse } from '../protocol/v1.ts';
import { soon } from './clock.ts';
import { readInvitation } from './environment.ts';
import { endWithHost, watchHost } from './host.ts';
import { openSession, type Session } from './session.ts';
import { abort, type Request, signalOf, type Task } from './task.ts';
import { createTextJoiner, needsMoreThan, pieces } from './text.ts';

export interface HandlerContext {
  readonly taskId: string;
  /** Aborted when the caller cancels, when its timeout is over, or when this agent has to end. */
  readonly signal: AbortSignal;
  /** One Running update. Await it: it resolves when more is welcome. Rejects for what is not text. */
  write(output: string | Uint8Array): Promise<void>;
}

export type HandlerResult = string | { readonly output?: string; readonly exitCode?: number; readonly error?: string } | undefined | void;
export type Handler = (request: Request, context: HandlerContext) => HandlerResult | Promise<HandlerResult>;

export interface ServeOptions {
  /** What the host sends with `instance.send(data)`. */
  readonly onSignal?: (data: string) => void;
  /** Where the host's invitation stands; process.env by default, from which the token is then removed. */
  readonly environment?: Record<string, string | undefined>;
}

type Response = Partial<ExecuteResponse> & Pick<ExecuteResponse, 'status'>;

/** The largest Running update, in UTF-16 units. */
const PIECE = 2 ** 20;
/** Above so many unsent bytes a `write` waits. */
const HIGH_WATER = 256 * 1024;
/** Results kept for a host that may have missed them: it drops what it has already. A count and UTF-16 units. */
const KEPT_RESULTS = 64;
const KEPT_SIZE = 2 ** 20;
const MAX_EXIT_CODE = 2 ** 31 - 1;

/**
 * Connects to the host that started this program, authenticates, and executes its requests with the handlers: one for
 * all, or one per command. Resolves when the host told it to end or is gone. Rejects with SpearletError: INVALID_OPTIONS
 * (not started by a host), AUTH_REFUSED, LINK_LOST (the host could not be found again).
 */
export function serve(handlers: Handler | Readonly<Record<string, Handler>>, options: ServeOptions = {}): Promise<void> {
  return new Promise((resolve, reject) => {
    const environment = options.environment ?? process.env;
    const invitation = readInvitation(environment);
    const pieceSize = Math.max(1, Math.min(PIECE, Math.floor(invitation.maxFrameBytes / 32)));
    // Children of this agent have no business with its token.
    if (options.environment === undefined) delete process.env.SPEARLET_TOKEN;

    const tasks = new Map<U64, Task>();
    const waiters: (() => void)[] = [];
    let unannounced: Task[] = [];
    const results: { requestId: U64; payload: string }[] = [];
    let resultsSize = 0;
    let link: Link | null = null;
    let draining = false;

    const handlerOf = (command: string): Handler | undefined => {
      if (typeof handlers === 'function') return handlers;
      return Object.hasOwn(handlers, command) ? handlers[command] : undefined;
    };

    const encode = (task: Task, response: Response): string =>
      encodeExecuteResponse({ taskId: task.request.taskId, output: null, error: null, exitCode: null, ...response });
    const respond = (task: Task, response: Response): void => link?.send('ExecuteResponse', task.requestId, encode(task, response), relief);

    const announce = (task: Task): void => {
      if (task.announced) return;
      task.announced = true;
      respond(task, { status: 'Started' });
    };

    /** Who waits to write may go on, where there is room. */
    const relieve = (): void => {
      if (link !== null && link.pending <= HIGH_WATER) for (const go of waiters.splice(0)) go();
    };
    const relief = { written: relieve };

    const write = (task: Task, output: string | Uint8Array): Promise<void> => {
      try {
        if (!tasks.has(task.requestId)) throw new SpearletError('PROTOCOL_ERROR', 'write() after the end of the execution');
        task.text ??= createTextJoiner();
        const text = task.text.add(output);
        // In pieces that any host's bound allows, whatever they hold.
        if (text.length > pieceSize)
          return pieces(text, pieceSize)
            .map(piece => write(task, piece))
            .at(-1)!;
        if (text !== '') {
          announce(task);
          if (link === null)
            return new Promise<void>(go => waiters.push(go)).then(() => void respond(task, { status: 'Running', output: text }));
          respond(task, { status: 'Running', output: text });
        }
        return link === null || link.pending > HIGH_WATER ? new Promise(go => waiters.push(go)) : Promise.resolve();
      } catch (error) {
        return Promise.reject(error);
      }
    };

    const finish = (task: Task, response: Response): void => {
      if (!tasks.has(task.requestId)) return;
      let payload: string;
      try {
        payload = encode(task, response);
        // An answer that the host could not read would cost the connection, again and again.
        if (needsMoreThan(payload, invitation.maxFrameBytes)) {
          payload = encode(task, {
            status: 'Failed',
            error: 'the answer is too large for one message: send it in pieces, with write()',
            exitCode: 1,
          });
        }
      } catch (thrown) {
        payload = encode(task, { status: 'Failed', error: reasonOf(thrown).toWellFormed(), exitCode: 1 });
      }
      tasks.delete(task.requestId);
      link?.send('ExecuteResponse', task.requestId, payload, relief);
      results.push({ requestId: task.requestId, payload });
      resultsSize += payload.length;
      while (results.length > KEPT_RESULTS || (resultsSize > KEPT_SIZE && results.length > 1))
        resultsSize -= results.shift()!.payload.length;
      if (draining && tasks.size === 0) session.happened('drained');
    };

    const fail = (task: Task, thrown: unknown): void =>
      finish(task, { status: 'Failed', error: reasonOf(thrown).toWellFormed(), exitCode: 1 });

    const settle = (task: Task, value: HandlerResult): void => {
      try {
        task.text?.end();
        const {
          output,
          exitCode = 0,
          error,
        } = typeof value === 'object' && value !== null ? value : { output: value as string | undefined };
        if (output !== undefined && typeof output !== 'string')
          throw new TypeError(`a handler returns a string, an object or nothing, not ${typeof output}`);
        if (!Number.isInteger(exitCode) || Math.abs(exitCode) > MAX_EXIT_CODE)
          throw new RangeError(`exitCode ${exitCode} is no 32-bit integer`);
        const ok = exitCode === 0 && error === undefined;
        finish(task, { status: ok ? 'Completed' : 'Failed', output: output ?? null, error: error ?? null, exitCode });
      } catch (thrown) {
        fail(task, thrown);
      }
    };

    const run = (requestId: U64, { taskId, command, args, env }: ExecuteRequest): void => {
      const record: Record<string, string> = Object.create(null);
      for (const [name, value] of env) record[name] = value;
      const task: Task = {
        requestId,
        request: { taskId, command, args, env: record },
        aborter: null,
        aborted: null,
        text: null,
        announced: false,
      };
      tasks.set(requestId, task);
      const handler = handlerOf(command);
      if (draining) return finish(task, { status: 'Failed', error: 'this agent is ending and takes no more requests', exitCode: 1 });
      if (handler === undefined) return finish(task, { status: 'Failed', error: `unknown command '${command}'`, exitCode: 127 });
      try {
        const value = handler(task.request, {
          taskId,
          get signal() {
            return signalOf(task);
          },
          write: output => write(task, output),
        });
        if (typeof (value as Promise<HandlerResult> | undefined)?.then !== 'function') return settle(task, value as HandlerResult);
        Promise.resolve(value).then(
          result => settle(task, result),
          thrown => fail(task, thrown),
        );
        // Most answers come within the turn; Started is for those that take longer.
        if (unannounced.push(task) === 1) soon(announceAll);
      } catch (thrown) {
        fail(task, thrown);
      }
    };

    const announceAll = (): void => {
      const [late] = [unannounced];
      unannounced = [];
      for (const task of late) if (tasks.has(task.requestId)) announce(task);
    };

    const abortAll = (reason: string): void => {
      for (const task of tasks.values()) abort(task, reason);
    };

    const session: Session = openSession(invitation, {
      opened(opened) {
        const again = link === null;
        link = opened;
        if (again) {
          for (const task of tasks.values()) {
            task.announced = true;
            respond(task, { status: 'Started' });
          }
        }
        for (const go of waiters.splice(0)) go();
        // The host may have missed what went into the lost link: it knows by the ids what it has. After the writes that
        // waited: they belong before their result.
        soon(() => {
          if (link === opened) for (const { requestId, payload } of results) link.send('ExecuteResponse', requestId, payload);
        });
      },
      closed() {
        link = null;
      },
      drained: relieve,
      request: run,
      cancel(taskId) {
        for (const task of tasks.values()) if (task.request.taskId === taskId) abort(task, 'cancelled by the host');
      },
      // In a turn of its own: what it throws is this program's error, not the host's.
      signal: data => soon(() => options.onSignal?.(data)),
      draining(hurry) {
        draining = true;
        if (hurry) abortAll('this agent has to end');
        if (tasks.size === 0) soon(() => session.happened('drained'));
      },
      ended(error, hostGone) {
        link = null;
        for (const go of waiters.splice(0)) go();
        abortAll('this agent has ended');
        tasks.clear();
        process.off('SIGTERM', hurry);
        unwatch();
        if (hostGone) endWithHost(options.environment === undefined ? invitation.instanceId : null);
        if (error === null) resolve();
        else reject(error);
      },
    });
    const hurry = (): void => session.happened('terminate', true);
    process.on('SIGTERM', hurry);
    const unwatch = watchHost(() => session.happened('host.gone'));
  });
}
