import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { CallSize } from '../../../src/core/runtime/call-size.ts';

/** Says it when the event loop has had nothing to do, or nothing but this, for a while. */
async function sizeWhen(load: 'idle' | 'busy'): Promise<CallSize> {
  const size = new CallSize();
  await sleep(1);
  size.next(0, 1_000);
  if (load === 'idle') await sleep(60);
  else for (const end = performance.now() + 60; performance.now() < end; );
  size.next(0, 2_000);
  return size;
}

describe('how many orders go into a call of a storage that keeps them', () => {
  it('all, while the event loop waits for the storage', async () => {
    const size = await sizeWhen('idle');
    expect([200, 1, 700].map((gathered) => size.next(gathered, 2_000))).toEqual([200, 1, 700]);
  });

  it('half of those that are under way, where the event loop has more to do', async () => {
    const size = await sizeWhen('busy');
    // One came first and alone, the others meanwhile; soon both halves take turns.
    expect([1, 255, 128, 128].map((gathered) => size.next(gathered, 2_000))).toEqual([
      1, 128, 128, 128,
    ]);
  });

  it('invariant 6: at most 1 024', async () => {
    for (const load of ['idle', 'busy'] as const) {
      expect((await sizeWhen(load)).next(9_000, 2_000)).toBe(1_024);
    }
  });
});
