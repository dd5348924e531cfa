import { endInTime } from '../sessions/end-in-time.ts';
import type { Life } from './life.ts';

/** Ends a life when its last word is answered, or the server does not answer. */
export async function farewell(life: Life, lastWord: () => Promise<void>): Promise<void> {
  const isSaid = lastWord().catch(() => {});
  await endInTime(isSaid.then(() => life.close()));
  life.destroy();
}
