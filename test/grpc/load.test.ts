/**
 * Ten thousand calls at once in `npm run full`: each is answered, and each balance is exact (invariants 3, 4 and 5).
 */
import { expect, it } from 'vitest';
import { isFull } from '../kit/full.ts';
import { range } from '../kit/helpers.ts';
import { GrpcClient, type Json, until, useServers } from './helpers.ts';

const start = useServers();
const calls = isFull ? 10_000 : 2_000;
/** Each order comes twice, over different connections. */
const orders = calls / 2;
const users = 100;
/** One takes a thousand calls at once; each order's second call comes over another one than its first. */
const connections = 12;

const orderOf = (at: number) => ({
  id: `o-${at}`,
  userId: `u-${at % users}`,
  amount: String((at % 13) + 1),
});

it(`${calls} calls that are under way together are all answered, and balances are exact`, async () => {
  const { processor, server } = await start({ processor: { capacity: orders } });
  const pool = range(connections).map(
    () => new GrpcClient(server.port, { 'grpc.use_local_subchannel_pool': 1 }),
  );
  processor.pause();
  const calling: Promise<Json[]> = Promise.all(
    range(calls).map((at) => {
      const grpc = pool[at % connections] as GrpcClient;
      return grpc.call('submitOrder', { order: orderOf(at % orders) });
    }),
  );
  const underWay = (): number => processor.stats().accepted + processor.stats().duplicates;
  await Promise.race([calling, until(() => underWay() === calls)]);
  expect(processor.stats()).toMatchObject({
    accepted: orders,
    duplicates: orders,
    unsettled: orders,
    completed: 0,
  });
  processor.resume();
  const answers = await calling;
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
}, 60_000);
