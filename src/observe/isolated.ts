// Observables of ours in the hands of users: a subscriber that throws is reported, and nothing else happens for it. RxJS
// would make it an uncaught exception, which ends the host; its global handler belongs to the embedder.
import { Observable, type Observer, type Operator, Subscriber, type Subscription } from 'rxjs';
import { reasonOf } from '../errors.ts';
import { bounds } from '../limits.ts';
import type { Logger } from '../options.ts';
import { printable } from '../printable.ts';

type Report = (error: unknown) => void;

/** Runs a function of a user's: what it throws is reported, and what an async one rejects with. */
function attempt(report: Report, run: () => unknown): void {
  try {
    const returned = run();
    if (returned instanceof Promise) returned.catch(report);
  } catch (error) {
    report(error);
  }
}

/** An observer that cannot throw. */
const guarded = <T>(observer: Observer<T>, report: Report): Observer<T> => ({
  next: value => attempt(report, () => observer.next(value)),
  error: thrown => attempt(report, () => observer.error(thrown)),
  complete: () => attempt(report, () => observer.complete()),
});

/** Does RxJS, this copy of it or another, already look after it? Operators subscribe with such, and `firstValueFrom`. */
const isSubscriber = (value: unknown): boolean =>
  value instanceof Subscriber || ['next', 'unsubscribe', 'add', 'remove'].every(name => typeof (value as never)?.[name] === 'function');

/** What a user subscribes with, as an observer. Its functions are looked up when they are called, as RxJS does. */
function observerOf<T>(consumer: unknown, error: unknown, complete: unknown): Observer<T> {
  const given = (typeof consumer === 'object' && consumer !== null ? consumer : { next: consumer, error, complete }) as Partial<
    Observer<T>
  >;
  return {
    next: value => given.next?.(value),
    error(thrown) {
      // Nobody handles it: whoever calls has to.
      if (!given.error) throw thrown;
      return given.error(thrown);
    },
    complete: () => given.complete?.(),
  };
}

/** Puts guards where users come in: around what they subscribe with, here and behind every operator. */
function guard<T>(observable: Observable<T>, report: Report): Observable<T> {
  const { subscribe, lift } = Observable.prototype;
  const guards = {
    subscribe(consumer?: unknown, error?: unknown, complete?: unknown): Subscription {
      const safe = isSubscriber(consumer) ? consumer : guarded(observerOf<T>(consumer, error, complete), report);
      return subscribe.call(observable, safe as never);
    },
    lift: <R>(operator?: Operator<T, R>): Observable<R> => guard(lift.call(observable, operator as never) as Observable<R>, report),
  };
  return Object.assign(observable, guards) as Observable<T>;
}

/**
 * The same values. Whatever a subscriber, or an operator behind `pipe`, throws is given to `report`: it ends neither the
 * host nor the subscription, and other subscribers get the value all the same. Where a user makes an Observable of his own
 * out of it (`merge`, `new Observable`), its subscribers are his to look after.
 */
export function isolated<T>(source: Observable<T>, report: Report): Observable<T> {
  const guardedSource = new Observable<T>(subscriber =>
    // Its own try around each: a teardown (`finalize`) that throws must not reach the source either.
    source.subscribe(guarded(subscriber, report)),
  );
  return guard(guardedSource, report);
}

/** A report that goes to the log. `stream` is the public name of the observable. */
export const logged =
  (logger: Pick<Logger, 'error'>, stream: string): Report =>
  error =>
    logger.error(
      { stream, error: printable(reasonOf(error), bounds.quoted), stack: error instanceof Error ? error.stack : undefined },
      'a subscriber threw; it gets the next value all the same',
    );
