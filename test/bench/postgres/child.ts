/**
 * One of several processors of a bench, in a process of its own: it opens, says `ready`, and does what its parent's
 * messages say.
 */
import { OrderProcessor } from 'order-processor';
import { PostgresStorage } from 'order-processor/postgres';
import type { BenchOrder } from '../contenders.ts';
import { closedLoop } from '../loops.ts';

/** What a parent says. */
export type Command =
  | { readonly run: { readonly orders: BenchOrder[]; readonly inFlight: number } }
  | { readonly probe: { readonly users: readonly string[]; readonly forMs: number } }
  | { readonly end: true };

const [, , connectionString] = process.argv;
const storage = await PostgresStorage.open({ connectionString });
const processor = new OrderProcessor({ storage });
await processor.ready;

/** A caller of each user, one order after the other: the longest time that one took, in milliseconds. */
async function probe(users: readonly string[], forMs: number): Promise<number> {
  const end = performance.now() + forMs;
  let longest = 0;
  await Promise.all(
    users.map(async (userId) => {
      while (performance.now() < end) {
        const start = performance.now();
        await processor.submit({ userId, amount: 1 });
        longest = Math.max(longest, performance.now() - start);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }),
  );
  return longest;
}

process.on('message', async (command: Command) => {
  if ('run' in command) {
    const { orders, inFlight } = command.run;
    await closedLoop((order) => processor.submit(order), orders, inFlight);
    process.send?.({ done: 0 });
  } else if ('probe' in command) {
    process.send?.({ done: await probe(command.probe.users, command.probe.forMs) });
  } else {
    await processor.shutdown();
    process.disconnect();
  }
});
process.send?.({ ready: true });
