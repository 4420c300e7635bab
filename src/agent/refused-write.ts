// The rejected promise of a refused write() or progress().

/**
 * It records whether anybody observes it. It never causes an unhandledRejection, which would end the process and all other
 * executions. It is a subclass because `await` calls the own `then` of a subclass only.
 */
export class RefusedWrite extends Promise<void> {
  /** then() and finally() return plain promises. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }
  readonly error: unknown;
  observed = false;

  constructor(error: unknown) {
    super((_, reject) => reject(error));
    this.error = error;
    super.then(undefined, () => {});
  }

  // biome-ignore lint/suspicious/noThenProperty: `await`, `catch` and `finally` call it too
  override then<T = void, F = never>(
    fulfilled?: ((value: void) => T | PromiseLike<T>) | null,
    rejected?: ((reason: unknown) => F | PromiseLike<F>) | null,
  ): Promise<T | F> {
    this.observed = true;
    return super.then(fulfilled, rejected);
  }
}
