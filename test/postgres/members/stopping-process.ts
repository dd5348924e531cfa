/** A processor in a process that stops itself, as `SIGSTOP` does, within the first step that it runs. */
import { OrderProcessor } from '../../../src/index.ts';
import { PostgresStorage } from '../../../src/postgres/postgres-storage.ts';

const [connectionString, schema] = process.argv.slice(2) as [string, string];
const send = (message: string): void => void process.send?.(message);
let hasStopped = false;

const storage = await PostgresStorage.open({
  ...{ connectionString, schema, beatMs: 250, staleMs: 1_500 },
});
const processor = new OrderProcessor({
  storage,
  concurrency: 1,
  steps: [
    {
      name: 'first',
      run: ({ id }) => {
        send(`first ${id}`);
        if (hasStopped) return;
        hasStopped = true;
        process.kill(process.pid, 'SIGSTOP');
        // The signal may come a moment later.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
      },
    },
    { name: 'second', after: ['first'], run: ({ id }) => send(`second ${id}`) },
  ],
});
process.on('message', () => {
  const { cluster } = processor.stats();
  send(`member ${cluster?.isMember}`);
});
await processor.ready;
await Promise.all(
  ['o-1', 'o-2'].map((id) => processor.enqueue({ id, userId: `u ${id}`, amount: 5 })),
);
