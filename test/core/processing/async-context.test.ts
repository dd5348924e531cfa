import { AsyncLocalStorage, createHook } from 'node:async_hooks';
import { OrderProcessor, type OrderProcessorOptions, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, range } from '../../kit/helpers.ts';
import { useFolder } from '../../sqlite/helpers.ts';

const files = useFolder();
const context = new AsyncLocalStorage<string>();
const enters: Step = { name: 'enters', run: () => context.enterWith('step') };
const entersLater: Step = {
  name: 'enters later',
  run: async () => {
    context.enterWith('step');
    await Promise.resolve();
  },
};
const fails: Step = {
  name: 'fails',
  run: () => {
    context.enterWith('step');
    throw new Error('No');
  },
};
const later: Step = { name: 'later', run: () => new Promise((resolve) => setImmediate(resolve)) };

describe('the async context of a caller', () => {
  it.each([
    ['at once', enters],
    ['later', entersLater],
    ['and fails', fails],
  ])('is not changed by a step that enters another: %s', async (_, step) => {
    const processor = new OrderProcessor({ steps: [step] });
    await context.run('caller', async () => {
      const submitted = codeOf(processor.submit({ userId: 'u', amount: 1 }));
      expect(context.getStore()).toBe('caller');
      await submitted;
      expect(context.getStore()).toBe('caller');
      await codeOf(
        processor.submit({ userId: 'u', amount: 1 }, { signal: AbortSignal.timeout(9_000) }),
      );
      await processor.enqueue({ userId: 'u', amount: 1 });
      expect(context.getStore()).toBe('caller');
    });
    expect(context.getStore()).toBeUndefined();
    await processor.shutdown();
  });

  it('is seen by a step that begins inside `submit`', async () => {
    const seen: unknown[] = [];
    const look: Step = { name: 'look', run: () => void seen.push(context.getStore()) };
    const processor = new OrderProcessor({ steps: [look] });
    await context.run('caller', () => processor.submit({ userId: 'u', amount: 1 }));
    expect(seen).toEqual(['caller']);
    await processor.shutdown();
  });

  it('runs steps in their own caller’s context, also when they had to wait for room', async () => {
    const context = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    const steps = [{ name: 'look', run: async () => void seen.push(context.getStore()) }];
    const processor = new OrderProcessor({ steps, capacity: 1, overflow: 'wait' });
    const submit = (name: string) =>
      context.run(name, () => processor.submit({ userId: name, amount: 1 }));
    await Promise.all(['a', 'b', 'c'].map(submit));
    expect(seen).toEqual(['a', 'b', 'c']);
  });

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
});

/** The library's async resources that `work` makes and that are not destroyed when it has ended. */
async function leftBy(work: () => Promise<void>): Promise<{ begun: number; left: number }> {
  const open = new Set<number>();
  let begun = 0;
  const hook = createHook({
    init: (id, type) => {
      if (type !== 'Order' && type !== 'OrderProcessor') return;
      begun += 1;
      open.add(id);
    },
    destroy: (id) => void open.delete(id),
  }).enable();
  try {
    await work();
    // Destructions are reported later.
    await new Promise((resolve) => setTimeout(resolve, 20));
  } finally {
    hook.disable();
  }
  return { begun, left: open.size };
}

describe('invariant 6: what is captured for an order is given back when it has ended', () => {
  const many = range(200);
  it.each<[string, OrderProcessorOptions]>([
    ['with steps that return at once', { steps: [enters] }],
    ['with steps that take their time', { steps: [later], concurrency: 3 }],
    ['with steps that fail', { steps: [fails] }],
    ['that wait for room', { steps: [later], capacity: 5, overflow: 'wait' }],
    ['that are refused', { steps: [later], capacity: 5 }],
    ['without steps that wait for room', { capacity: 1, overflow: 'wait' }],
  ])('orders %s', async (_, options) => {
    const { begun, left } = await leftBy(async () => {
      const processor = new OrderProcessor(options);
      const codes = many.map((at) => {
        const order = { id: `o-${at}`, userId: `u-${at % 7}`, amount: 1 };
        if (at % 5 === 1) void processor.cancel(`o-${at - 1}`);
        return codeOf(at % 2 === 0 ? processor.submit(order) : processor.enqueue(order));
      });
      const gone = new AbortController();
      codes.push(codeOf(processor.submit({ userId: 'v', amount: 1 }, { signal: gone.signal })));
      gone.abort();
      await Promise.all(codes);
      await processor.onIdle();
      await processor.shutdown();
    });
    expect(begun).toBeGreaterThan(0);
    expect(left).toBe(0);
  });

  it('orders on a file, and those that stay in it', async () => {
    const storage = await files.open();
    const { begun, left } = await leftBy(async () => {
      const sleeps: Step = {
        name: 'sleeps',
        run: ({ userId }, { signal }) =>
          new Promise((resolve, reject) => {
            if (userId !== 'held') setImmediate(resolve);
            signal.addEventListener('abort', () => reject(signal.reason));
          }),
      };
      const processor = new OrderProcessor({ storage, steps: [sleeps] });
      const codes = many.map((at) =>
        codeOf(processor.submit({ userId: `u-${at % 7}`, amount: 1 })),
      );
      await Promise.all(codes);
      for (const _ of range(3)) await processor.enqueue({ userId: 'held', amount: 1 });
      await processor.shutdown({ timeoutMs: 10 });
    });
    expect(begun).toBeGreaterThan(200);
    expect(left).toBe(0);
  });
});
