/** One of the processes: a processor on the shared database, as it would run on a machine of its own. */
import { OrderProcessor } from 'order-processor';
import { PostgresStorage } from 'order-processor/postgres';
import type { Answer, FromProcess, ToProcess } from './messages.ts';

const [name, connectionString, staleMs] = process.argv.slice(2);

// Ctrl-C reaches all processes of a terminal. The one that has started this one ends it.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit(1));

const storage = await PostgresStorage.open({
  connectionString,
  name,
  beatMs: 200,
  staleMs: Number(staleMs),
});
const processor = new OrderProcessor({ storage, minBalance: 0 });

function say(message: FromProcess): void {
  if (process.connected) process.send?.(message);
}

processor.on('interrupted', () => say({ kind: 'interrupted' }));
processor.on('restored', () => say({ kind: 'restored' }));
await processor.ready;

const reports = setInterval(() => {
  const { completed, failed, cluster } = processor.stats();
  say({ kind: 'report', settled: completed + failed, cluster });
}, 200);

process.on('message', async (message: ToProcess) => {
  if (message.kind === 'submit') {
    const { orders } = message;
    const outcomes = await processor.submitMany(orders);
    const answers = outcomes.map((outcome, at): Answer => {
      const code = outcome.status === 'completed' ? outcome.status : outcome.error.code;
      return [orders[at]?.id ?? '', code];
    });
    say({ kind: 'answers', answers });
  } else if (message.kind === 'end') {
    clearInterval(reports);
    // Hands its partitions over one by one, as their orders end.
    await processor.shutdown();
    process.exit(0);
  }
});
say({ kind: 'ready' });
