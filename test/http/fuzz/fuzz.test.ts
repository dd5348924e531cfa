/** 30 000 requests in `npm run full`. `npm run fuzz -- 2000000` goes on for longer; `npm run fuzz -- 2000 SEED` replays. */
import { describe, expect, it } from 'vitest';
import { isFull } from '../../kit/full.ts';
import { range } from '../../kit/helpers.ts';
import { seed as firstSeed } from '../../kit/seed.ts';
import { fuzzApp } from './in-process.ts';

const requests = 2_000;
const seeds = isFull ? 15 : 8;

describe('any request', () => {
  const seen: Record<string, number> = {};
  let scraped = 0;

  it.each(range(seeds))('is answered as it deserves, seed %i more than the first', async (n) => {
    const seed = firstSeed + n;
    const { faults, acknowledged, statuses, scrapes, ...told } = await fuzzApp(seed, requests);
    expect(faults, `seed ${seed}`).toEqual([]);
    expect(acknowledged, `seed ${seed}`).toBeGreaterThan(100);
    expect(told.outcomes, `seed ${seed}`).toBeGreaterThan(100);
    expect(told.holds, `seed ${seed}`).toBeGreaterThan(5);
    scraped += scrapes;
    for (const [status, times] of Object.entries(statuses)) {
      seen[status] = (seen[status] ?? 0) + times;
    }
  });

  it('comes to every kind of answer', () => {
    for (const status of [200, 202, 204, 400, 401, 403, 404, 405, 409, 413, 415, 422]) {
      expect(seen[status], `${status}`).toBeGreaterThan(5);
    }
    expect(scraped).toBeGreaterThan(5);
  });
});
