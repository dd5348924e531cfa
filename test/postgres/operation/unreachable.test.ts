import { setTimeout as sleep } from 'node:timers/promises';
import { isOrderError, OrderProcessor } from 'order-processor';
import { expect, it } from 'vitest';
import { PostgresStorage } from '../../../src/postgres/index.ts';
import { isFull } from '../../kit/full.ts';
import { PostgresServer } from '../../kit/postgres-server.ts';
import { until } from '../members/kit.ts';

/** How long the server is away, in milliseconds: longer than any pause between attempts to reach it. */
const awayMs = isFull ? 20_000 : 3_000;

/** As callers do: at any processor, by the same id, until it is settled. */
async function submit(processors: readonly OrderProcessor[], id: string): Promise<string> {
  for (let tries = 0; ; tries += 1) {
    const processor = processors[tries % processors.length] as OrderProcessor;
    try {
      await processor.submit({ id, userId: `u-${Number(id) % 20}`, amount: 1 });
      return 'completed';
    } catch (error) {
      if (!isOrderError(error) || !error.retryable || tries === 2_000) throw error;
      await sleep(50);
    }
  }
}

// At the same time, since most of it is to wait.
it.concurrent.each(['fast', 'immediate'] as const)(
  'a server that ends (%s) and is away for long: nothing is lost, nothing comes twice, and all goes on by itself (invariants 3, 4, 9)',
  async (mode) => {
    await using server = await PostgresServer.start();
    const ran: string[] = [];
    const processors = await Promise.all(
      [1, 2, 3].map(async () => {
        const options = { connectionString: server.url, beatMs: 200, staleMs: 2_000 };
        const storage = await PostgresStorage.open(options);
        const steps = [{ name: 'work', run: ({ id }: { id: string }) => void ran.push(id) }];
        return new OrderProcessor({ storage, steps }).on('error', () => {});
      }),
    );
    await Promise.all(processors.map((each) => each.ready));
    const acknowledged = Array.from({ length: 60 }, (_, at) => `${at}`);
    await Promise.all(
      acknowledged.map((id) =>
        processors[0]?.enqueue({ id, userId: `u-${Number(id) % 20}`, amount: 1 }),
      ),
    );
    const ids = Array.from({ length: 200 }, (_, at) => `${100 + at}`);
    const calls = ids.map(async (id) => {
      await sleep((Number(id) % 100) * (awayMs / 100));
      return submit(processors, id);
    });
    await server.stop(mode);
    const away = sleep(awayMs);
    await until('all of them say so', () =>
      processors.every((each) => each.stats().storage === 'failing'),
    );
    const refused = processors.map((each) => each.submit({ userId: 'v', amount: 1 }));
    const codes = (await Promise.allSettled(refused)).map(
      (result) => result.status === 'rejected' && result.reason.code,
    );
    expect(codes).toEqual(['storage_failed', 'storage_failed', 'storage_failed']);
    await away;
    await server.restart();
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['completed']));
    const outcomes = await Promise.all(acknowledged.map((id) => processors[1]?.outcome(id)));
    expect(new Set(outcomes.map((each) => each?.status))).toEqual(new Set(['completed']));
    await until('all are there again', () =>
      processors.every((each) => each.stats().storage === 'ready'),
    );
    const balances = await Promise.all(
      Array.from({ length: 20 }, (_, at) => processors[2]?.balance(`u-${at}`)),
    );
    expect(balances).toEqual(balances.map(() => 13));
    expect(new Set(ran).size).toBe(260);
    await Promise.all(processors.map((each) => each.shutdown()));
    const storage = await PostgresStorage.open({ connectionString: server.url });
    expect(await storage.check()).toEqual([]);
    await storage.close();
  },
  120_000,
);
