import { OrderProcessor } from 'order-processor';
import { expect, it } from 'vitest';

it('invariant 3: an order that a listener ends while it starts is run and settled once', async () => {
  const runs: string[] = [];
  const processor = new OrderProcessor({
    steps: [{ name: 'work', run: ({ id }) => void runs.push(id) }],
  });
  const settled: string[] = [];
  processor.on('completed', ({ orderId }) => settled.push(String(orderId)));
  processor.on('canceled', ({ orderId }) => settled.push(String(orderId)));
  processor.on('stepped', ({ orderId }) => {
    if (orderId === 'a') void processor.cancel('a');
  });
  let isFirst = true;
  let inner: Promise<unknown> | undefined;
  processor.on('stepped', () => {
    if (isFirst) inner = processor.submit({ id: 'b', userId: 'v', amount: 1 });
    isFirst = false;
  });
  await processor.submit({ id: 'a', userId: 'u', amount: 1 }).catch(() => {});
  await inner;
  await processor.onIdle();
  expect(runs.toSorted()).toEqual(['a', 'b']);
  expect(settled.toSorted()).toEqual(['a', 'b']);
  await processor.shutdown();
});
