/** Ten thousand calls at once, over a few connections: each is answered, and each balance is exact. */
import { expect, it } from 'vitest';
import { range } from '../helpers.ts';
import { GrpcClient, type Json, useServers } from './helpers.ts';

const start = useServers();
const calls = 10_000;
/** Each order comes twice, over different connections. */
const orders = calls / 2;
const users = 100;

const orderOf = (at: number) => ({
  id: `o-${at}`,
  userId: `u-${at % users}`,
  amount: String((at % 13) + 1),
});

it('ten thousand concurrent calls over four connections are all answered, and balances are exact', async () => {
  const { processor, server } = await start({ processor: { capacity: orders } });
  const pool = range(4).map(
    () => new GrpcClient(server.port, { 'grpc.use_local_subchannel_pool': 1 }),
  );
  const answers: Json[] = await Promise.all(
    range(calls).map((at) => {
      const grpc = pool[Math.floor(at / 1_250) % 4] as GrpcClient;
      return grpc.call('submitOrder', { order: orderOf(at % orders) });
    }),
  );
  expect(processor.stats()).toMatchObject({
    accepted: orders,
    completed: orders,
    duplicates: orders,
    refused: 0,
    unsettled: 0,
  });
  const sums = new Map<string, number>();
  for (const at of range(orders)) {
    const { userId, amount } = orderOf(at);
    const { receipt } = answers[at];
    expect(answers[at + orders].receipt).toEqual(receipt);
    sums.set(userId, (sums.get(userId) ?? 0) + Number(amount));
  }
  for (const [userId, sum] of sums) expect(await processor.balance(userId)).toBe(sum);
  for (const grpc of pool) grpc.close();
}, 30_000);
