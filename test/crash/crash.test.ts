/** `npm run crash -- 1000` kills more often. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isFull } from '../kit/full.ts';
import { seed as firstSeed } from '../kit/seed.ts';
import { type Kind, killAgainAndAgain } from './killed-processes.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'orders-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe.each<Kind>(['plain', 'steps', 'bank'])('killed again and again, %s', (kind) => {
  it.each(isFull ? [1, 2] : [1])(
    'invariant 9: keeps every promise, seed %i',
    { timeout: 60_000 },
    async (n) => {
      const seed = firstSeed + n;
      const { faults, acknowledged, recovered } = await killAgainAndAgain(
        join(folder, 'orders.db'),
        kind,
        seed,
        8,
      );
      expect(faults, `seed ${seed}`).toEqual([]);
      // A busy machine gets to fewer before each kill.
      expect(acknowledged, `seed ${seed}`).toBeGreaterThan(20);
      expect(recovered, `seed ${seed}`).toBeGreaterThan(0);
    },
  );
});
