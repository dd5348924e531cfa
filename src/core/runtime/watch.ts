/**
 * Has somebody told if the storage has not answered in time.
 *
 * @returns ends the watch
 */
export function watch(stalledAfterMs: number, tell: (message: string) => void): () => void {
  const timer = setTimeout(
    () => tell(`The storage has not answered for ${stalledAfterMs} ms`),
    stalledAfterMs,
  );
  return () => clearTimeout(timer);
}
