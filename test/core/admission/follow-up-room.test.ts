import { OrderProcessor } from 'order-processor';
import { expect, it } from 'vitest';
import { codeOf, deferred } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();

it('invariant 6: an order that a step handed in waits for room in a shutdown too, though it began to between two attempts', async () => {
  const checked = deferred();
  const second = deferred();
  let handedIn: Promise<string> | undefined;
  const processor: OrderProcessor = new OrderProcessor({
    capacity: 1,
    overflow: 'wait',
    schema: {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value: unknown) =>
          value === 'slow' ? checked.promise.then(() => ({ value })) : { value },
      },
    },
    steps: [
      {
        name: 'work',
        retry: { attempts: 2, delayMs: 10, jitter: false },
        async run({ id }, { attempt }) {
          if (id !== 'a') return;
          if (attempt === 2) return void (await second.promise);
          handedIn = codeOf(
            processor.enqueue({ id: 'b', userId: 'v', amount: 1, payload: 'slow' }),
          );
          throw new Error('Try again');
        },
      },
    ],
  });
  const submitted = processor.submit({ id: 'a', userId: 'u', amount: 1 });
  await clock.settle();
  checked.resolve();
  await clock.settle();
  expect(processor.stats()).toMatchObject({ waitingCallers: 1, unsettled: 1 });
  await clock.advance(10);
  const down = processor.shutdown();
  await clock.settle();
  expect(processor.stats()).toMatchObject({ waitingCallers: 1, unsettled: 1 });
  second.resolve();
  await clock.runAll();
  await Promise.all([submitted, handedIn, down]);
});
