import { AsyncLocalStorage } from 'node:async_hooks';
import { OrderProcessor } from 'order-processor';
import { expect, it } from 'vitest';

it('runs steps in the async context of their own submit, also when they had to wait', async () => {
  const context = new AsyncLocalStorage<string>();
  const seen: (string | undefined)[] = [];
  const processor = new OrderProcessor({
    concurrency: 1,
    steps: [
      {
        name: 'look',
        async run() {
          await Promise.resolve();
          seen.push(context.getStore());
        },
      },
    ],
  });
  await Promise.all(
    ['a', 'b', 'c'].map((name) =>
      context.run(name, () => processor.submit({ userId: 'u', amount: 1 })),
    ),
  );
  await processor.shutdown();
  expect(seen).toEqual(['a', 'b', 'c']);
});

it('runs listeners of orders without steps outside any one caller’s context', async () => {
  const context = new AsyncLocalStorage<string>();
  const seen: (string | undefined)[] = [];
  const processor = new OrderProcessor();
  processor.on('completed', () => seen.push(context.getStore()));
  processor.pause();
  const done = ['a', 'b'].map((name) =>
    context.run(name, () => processor.submit({ userId: name, amount: 1 })),
  );
  processor.resume();
  await Promise.all(done);
  expect(seen).toEqual([undefined, undefined]);
});
