// serve(): the handlers of an agent, and what becomes of each request. It knows nothing of how the host is reached.
import { isMainThread } from 'node:worker_threads';
import { reasonOf, SpearletError } from '../errors.ts';
import type { ExecuteRequest, U64 } from '../protocol/message.ts';
import { createAnswers } from './answers.ts';
import { soon } from './clock.ts';
import { readInvitation } from './environment.ts';
import { endWithHost, watchHost } from './host.ts';
import { type Answer, answerOf, failed, type HandlerResult, kindOf } from './result.ts';
import { openSession, type Session } from './session.ts';
import { abort, RefusedWrite, type Request, signalOf, type Task } from './task.ts';
import { createTextJoiner, pieces } from './text.ts';

export interface HandlerContext {
  readonly taskId: string;
  /** Aborted when the caller cancels, when its timeout is over, or when this agent has to end. */
  readonly signal: AbortSignal;
  /**
   * One Running update. Await it: it resolves when more is welcome. Rejects for what is not text, and after the end of the
   * execution. An execution that does not look at such a rejection is Failed with it.
   */
  write(output: string | Uint8Array): Promise<void>;
}

/** Whatever it throws is Failed, with its message and exit code 1; so is a result that is none. */
export type Handler = (request: Request, context: HandlerContext) => HandlerResult | Promise<HandlerResult>;

export interface ServeOptions {
  /** What the host sends with `instance.send(data)`. What it throws is an uncaught exception of this program. */
  readonly onSignal?: (data: string) => void;
  /**
   * Where the host's invitation stands; process.env by default, from which the token is then removed. With it this process
   * is not the host's: serve() then leaves its stdin and SIGTERM alone, never ends it, and learns by its link alone that
   * the host is gone. The same holds in a worker thread.
   */
  readonly environment?: Record<string, string | undefined>;
}

/** The largest Running update, in UTF-16 units. */
const PIECE = 2 ** 20;

/**
 * Connects to the host that started this program, authenticates, and executes its requests with the handlers: one for
 * all, or one per command. Resolves when the host told it to end or is gone. Rejects with SpearletError: INVALID_OPTIONS
 * (not started by a host), AUTH_REFUSED, LINK_LOST (the host could not be found again).
 */
export function serve(handlers: Handler | Readonly<Record<string, Handler>>, options: ServeOptions = {}): Promise<void> {
  return new Promise((resolve, reject) => {
    if (typeof handlers !== 'function' && (typeof handlers !== 'object' || handlers === null))
      throw new SpearletError('INVALID_OPTIONS', `serve() takes a handler or an object of handlers by command, not ${kindOf(handlers)}`);
    const environment = options.environment ?? process.env;
    const invitation = readInvitation(environment);
    /** This process is what the host has started: it ends with it. */
    const hostsOwn = options.environment === undefined && isMainThread;
    const pieceSize = Math.max(1, Math.min(PIECE, Math.floor(invitation.maxFrameBytes / 32)));
    // Children of this agent have no business with its token.
    if (options.environment === undefined) delete process.env.SPEARLET_TOKEN;

    const tasks = new Map<U64, Task>();
    let unannounced: Task[] = [];
    let draining = false;

    /** Everything in hand is finished, and given to the link. */
    const rest = (): void => {
      if (draining && tasks.size === 0 && answers.waiting === 0) session.happened('drained');
    };
    const answers = createAnswers(invitation.maxFrameBytes, rest);

    const handlerOf = (command: string): Handler | undefined => {
      if (typeof handlers === 'function') return handlers;
      if (!Object.hasOwn(handlers, command)) return undefined;
      const handler = handlers[command];
      if (typeof handler === 'function') return handler;
      throw new TypeError(`the handler of '${command}' is ${kindOf(handler)}, not a function`);
    };

    const isInHand = (task: Task): boolean => tasks.get(task.delivery.requestId) === task;

    const write = (task: Task, output: string | Uint8Array): Promise<void> => {
      try {
        if (!isInHand(task)) throw new SpearletError('PROTOCOL_ERROR', 'write() after the end of the execution');
        if (typeof output !== 'string' && !ArrayBuffer.isView(output))
          throw new TypeError(`write() takes a text or bytes, not ${kindOf(output)}`);
        task.text ??= createTextJoiner();
        const text = task.text.add(output);
        if (text === '') return Promise.resolve();
        // In pieces that any host's bound allows, whatever they hold.
        return pieces(text, pieceSize)
          .map(piece => answers.output(task.delivery, piece))
          .at(-1)!;
      } catch (error) {
        const refused = RefusedWrite.because(error);
        if (task.refused === null || task.refused.observed) task.refused = refused;
        return refused;
      }
    };

    const finish = (task: Task, answer: Answer): void => {
      if (!isInHand(task)) return;
      tasks.delete(task.delivery.requestId);
      answers.result(task.delivery, answer);
    };

    const fail = (task: Task, thrown: unknown): void => finish(task, failed(reasonOf(thrown)));

    const settle = (task: Task, value: HandlerResult): void => {
      try {
        // What was refused is missing, and the handler does not know.
        if (task.refused?.observed === false) throw task.refused.error;
        task.text?.end();
        finish(task, answerOf(value));
      } catch (thrown) {
        fail(task, thrown);
      }
    };

    const run = (requestId: U64, { taskId, command, args, env }: ExecuteRequest): void => {
      const record: Record<string, string> = Object.create(null);
      for (const [name, value] of env) record[name] = value;
      const task: Task = {
        request: { taskId, command, args, env: record },
        delivery: answers.delivery(requestId, taskId),
        aborter: null,
        aborted: null,
        text: null,
        refused: null,
      };
      tasks.set(requestId, task);
      if (draining) return finish(task, failed('this agent is ending and takes no more requests'));
      try {
        const handler = handlerOf(command);
        if (handler === undefined) return finish(task, failed(`unknown command '${command}'`, 127));
        const value = handler(task.request, {
          taskId,
          get signal() {
            return signalOf(task);
          },
          write: output => write(task, output),
        });
        if (typeof (value as Promise<HandlerResult> | undefined | null)?.then !== 'function') return settle(task, value as HandlerResult);
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
      const late = unannounced;
      unannounced = [];
      for (const task of late) if (isInHand(task)) answers.started(task.delivery);
    };

    const abortAll = (reason: string): void => {
      for (const task of tasks.values()) abort(task, reason);
    };

    const session: Session = openSession(invitation, {
      opened: link =>
        answers.attach(
          link,
          Array.from(tasks.values(), task => task.delivery),
        ),
      closed: answers.detach,
      drained: answers.relieve,
      request: run,
      cancel(requestId, taskId) {
        const task = tasks.get(requestId);
        if (task?.request.taskId === taskId) abort(task, 'cancelled by the host');
      },
      // In a turn of its own: what it throws is this program's error, not the host's.
      signal: data => soon(() => options.onSignal?.(data)),
      draining(hurry) {
        draining = true;
        if (hurry) abortAll('this agent has to end');
        if (tasks.size === 0) soon(rest);
      },
      ended(error, hostGone) {
        abortAll('this agent has ended');
        tasks.clear();
        answers.close();
        process.off('SIGTERM', hurry);
        unwatch();
        if (hostGone) endWithHost(invitation.instanceId);
        if (error === null) resolve();
        else reject(error);
      },
    });
    const hurry = (): void => session.happened('terminate', true);
    if (hostsOwn) process.on('SIGTERM', hurry);
    const unwatch = hostsOwn ? watchHost(() => session.happened('host.gone')) : () => {};
  });
}
