// Bytes that are lent up to a bound, such as those by which windows grow.

/** Takes this many bytes, or gives them back where they are negative. Returns false, and takes none, beyond the bound. */
export function createBudget(bound: number): (bytes: number) => boolean {
  let lent = 0;
  return bytes => {
    if (lent + bytes > bound) return false;
    lent += bytes;
    return true;
  };
}
