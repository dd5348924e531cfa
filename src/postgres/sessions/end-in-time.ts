/** For how long the server's answer to what is said last is waited for, in milliseconds. */
const longestMs = 2_000;

/** Resolves when something has ended, or the server does not answer. Never rejects. */
export async function endInTime(ending: Promise<unknown>): Promise<void> {
  const { promise: isLate, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, longestMs);
  await Promise.race([ending.catch(() => {}), isLate]);
  clearTimeout(timer);
}
