import type { Life } from './life.ts';

/** For how long the server's answer to the last word of a processor is waited for, in milliseconds. */
const longestMs = 2_000;

/** Ends a life when its last word is answered, or the server does not answer. */
export async function farewell(life: Life, lastWord: () => Promise<void>): Promise<void> {
  const { promise: isLate, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, longestMs);
  const isEnded = lastWord()
    .catch(() => {})
    .then(() => life.close());
  await Promise.race([isEnded, isLate]);
  clearTimeout(timer);
  life.destroy();
}
