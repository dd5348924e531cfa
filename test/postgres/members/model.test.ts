import { expect, it } from 'vitest';
import { isFull } from '../../kit/full.ts';
import { PostgresServer } from '../../kit/postgres-server.ts';
import { seed as firstSeed } from '../../kit/seed.ts';
import { Model } from './model.ts';

it('invariant 1: over processors that join, leave and die, orders come in the order accepted, none twice, and none is missing', {
  timeout: 600_000,
}, async () => {
  await using server = await PostgresServer.start();
  for (let run = 0; run < (isFull ? 4 : 1); run += 1) {
    const seed = firstSeed + run;
    const model = new Model(server, seed);
    await model.run(isFull ? 8_000 : 4_000);
    expect([...model.problems].slice(0, 10), `seed ${seed}`).toEqual([]);
    expect(model.called.size).toBeGreaterThan(100);
    expect(model.pairs).toBeGreaterThan(1_000);
  }
});
