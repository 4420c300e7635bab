// The option `cancelOnReturn`: an execution whose reader leaves its `for await` loop is cancelled.

/** Calls `left` when the reader returns before the end. After the end a cancel does nothing. */
export function cancelOnReturn<T>(reading: AsyncIterator<T, undefined>, left: () => void): AsyncIterator<T, undefined> {
  return {
    next: () => reading.next(),
    return() {
      left();
      return reading.return!();
    },
  };
}
