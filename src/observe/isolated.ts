// Observables for users. An error that a subscriber throws is reported, and harms nothing else. RxJS would make it an uncaught
// exception, which ends the host; RxJS's global error handler belongs to the embedder, so it is not used.
import { Observable, type Observer, type Operator, Subscriber, type Subscription } from 'rxjs';
import { reasonOf } from '../errors.ts';
import { bounds } from '../limits.ts';
import type { Logger } from '../option-schemas.ts';
import { printable } from '../printable.ts';

type Report = (error: unknown) => void;

/** An observer that cannot throw: an error that a user's function throws, or rejects with if it is async, is reported. */
class Guarded<T> implements Observer<T> {
  readonly #observer: Observer<T>;
  readonly #report: Report;

  constructor(observer: Observer<T>, report: Report) {
    this.#observer = observer;
    this.#report = report;
  }

  next(value: T): void {
    this.#attempt('next', value);
  }
  error(thrown: unknown): void {
    this.#attempt('error', thrown);
  }
  complete(): void {
    this.#attempt('complete');
  }

  #attempt(method: keyof Observer<T>, value?: unknown): void {
    try {
      const returned: unknown = this.#observer[method](value as never);
      if (returned instanceof Promise) returned.catch(this.#report);
    } catch (error) {
      this.#report(error);
    }
  }
}

/** Whether this is a Subscriber of this or another copy of RxJS. Operators and `firstValueFrom` subscribe with one. */
const isSubscriber = (value: unknown): boolean =>
  value instanceof Subscriber || ['next', 'unsubscribe', 'add', 'remove'].every(name => typeof (value as never)?.[name] === 'function');

/** The arguments of subscribe() as an observer. Its functions are looked up when they are called, as RxJS does. */
function observerOf<T>(consumer: unknown, error: unknown, complete: unknown): Observer<T> {
  const given = (typeof consumer === 'object' && consumer !== null ? consumer : { next: consumer, error, complete }) as Partial<
    Observer<T>
  >;
  return {
    next: value => given.next?.(value),
    error(thrown) {
      // The user passes no error handler, so the error is thrown to the caller, which reports it.
      if (!given.error) throw thrown;
      return given.error(thrown);
    },
    complete: () => given.complete?.(),
  };
}

/** Wraps every observer that a user subscribes with, to this observable or to one that operators made of it. */
function guard<T>(observable: Observable<T>, report: Report): Observable<T> {
  const { subscribe, lift } = Observable.prototype;
  const guards = {
    subscribe(consumer?: unknown, error?: unknown, complete?: unknown): Subscription {
      const safe = isSubscriber(consumer) ? consumer : new Guarded(observerOf<T>(consumer, error, complete), report);
      return subscribe.call(observable, safe as never);
    },
    lift: <R>(operator?: Operator<T, R>): Observable<R> => guard(lift.call(observable, operator as never) as Observable<R>, report),
  };
  return Object.assign(observable, guards) as Observable<T>;
}

/**
 * Emits the values of `source`. An error that a subscriber or an operator throws goes to `report`: it ends neither the host nor
 * the subscription, and the other subscribers still get the value. The limit: subscribers of an Observable that a user makes
 * of it (`merge`, `new Observable`) are not guarded.
 */
export function isolated<T>(source: Observable<T>, report: Report): Observable<T> {
  const guardedSource = new Observable<T>(subscriber =>
    // Guarded a second time here: an error of a teardown (`finalize`) must not reach the source either.
    source.subscribe(new Guarded(subscriber, report)),
  );
  return guard(guardedSource, report);
}

/** Reports to the log. `stream` is the public name of the observable. */
export const logged =
  (logger: Pick<Logger, 'error'>, stream: string): Report =>
  error =>
    logger.error(
      { stream, error: printable(reasonOf(error), bounds.quoted), stack: error instanceof Error ? error.stack : undefined },
      'a subscriber threw an error; it still gets the next value',
    );
