import { OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { isFull } from '../../kit/full.ts';
import { codeOf, deferred, range } from '../../kit/helpers.ts';
import { schemaOf } from '../../kit/schemas.ts';

const many = isFull ? 10_000 : 4_000;

/** How often the event loop turns until a promise is settled. */
async function turnsUntil(promise: Promise<unknown>): Promise<number> {
  let isSettled = false;
  let turns = 0;
  const settled = (): void => {
    isSettled = true;
  };
  promise.then(settled, settled);
  while (!isSettled) {
    await new Promise((resolve) => setImmediate(resolve));
    turns += 1;
  }
  return turns;
}

const unique = (codes: readonly string[]): string[] => [...new Set(codes)];

describe('the event loop turns while many orders are ended at once', () => {
  it('by one signal that they share; none of them begins meanwhile (invariant 3)', async () => {
    const ran: string[] = [];
    const steps: Step[] = [{ name: 'work', run: ({ id }) => void ran.push(id) }];
    const processor = new OrderProcessor({ steps, capacity: many });
    processor.pause();
    const controller = new AbortController();
    const { signal } = controller;
    const codes = range(many).map((at) =>
      codeOf(processor.submit({ userId: `u-${at % 100}`, amount: 1 }, { signal })),
    );
    controller.abort();
    processor.resume();
    const all = Promise.all(codes);
    expect(await turnsUntil(all)).toBeGreaterThan(5);
    expect(unique(await all)).toEqual(['canceled']);
    expect(ran).toEqual([]);
    expect(processor.stats()).toMatchObject({ canceled: many, unsettled: 0, queueLength: 0 });
    await processor.shutdown();
  });

  it('by one signal while they wait for room', async () => {
    const processor = new OrderProcessor({ capacity: 1, overflow: 'wait' });
    processor.pause();
    const first = codeOf(processor.submit({ userId: 'first', amount: 1 }));
    const controller = new AbortController();
    const { signal } = controller;
    const codes = range(many).map((at) =>
      codeOf(processor.submit({ userId: `u-${at % 100}`, amount: 1 }, { signal })),
    );
    controller.abort();
    processor.resume();
    const all = Promise.all(codes);
    expect(await turnsUntil(all)).toBeGreaterThan(5);
    expect(unique(await all)).toEqual(['canceled']);
    expect(await first).toBe('completed');
    await processor.shutdown();
  });

  it('by `shutdown` while they wait for room', async () => {
    const gate = deferred();
    const processor = new OrderProcessor({
      capacity: 1,
      overflow: 'wait',
      steps: [{ name: 'waits', run: () => gate.promise }],
    });
    const first = codeOf(processor.submit({ userId: 'first', amount: 1 }));
    const codes = range(many).map((at) =>
      codeOf(processor.submit({ userId: `u-${at % 100}`, amount: 1 })),
    );
    const closed = processor.shutdown();
    const all = Promise.all(codes);
    expect(await turnsUntil(all)).toBeGreaterThan(2);
    expect(unique(await all)).toEqual(['shut_down']);
    gate.resolve();
    expect(await first).toBe('completed');
    await closed;
  });

  it('by `shutdown` while a schema checks them', async () => {
    const schema = schemaOf(() => new Promise(() => {}));
    const processor = new OrderProcessor({ schema, capacity: many });
    const codes = range(many).map((at) =>
      codeOf(processor.submit({ userId: `u-${at % 100}`, amount: 1 })),
    );
    const closed = processor.shutdown();
    const all = Promise.all(codes);
    expect(await turnsUntil(all)).toBeGreaterThan(2);
    expect(unique(await all)).toEqual(['shut_down']);
    await closed;
  });
});

it.each(['submit', 'enqueue'] as const)(
  'the event loop turns under callers that await one %s after the other',
  async (how) => {
    const processor = new OrderProcessor({ capacity: 100 });
    let turns = 0;
    const count = (): void => {
      turns += 1;
      if (turns > 0) setImmediate(count).unref();
    };
    setImmediate(count).unref();
    const good = { userId: 'u', amount: 1 };
    for (const order of [good, { userId: '', amount: 1 }]) {
      turns = 1;
      const until = performance.now() + 60;
      while (performance.now() < until) await processor[how](order).catch(() => {});
      expect(turns).toBeGreaterThan(3);
    }
    expect(processor.stats().failed).toBe(0);
    turns = Number.NEGATIVE_INFINITY;
  },
);

it.each<[string, (processor: OrderProcessor, id: string) => Promise<unknown>]>([
  ['cancel', (processor, id) => processor.cancel(id)],
  ['order', (processor, id) => processor.order(id)],
  ['outcome', (processor, id) => processor.outcome(id)],
  ['submit with bad options', (processor) => processor.submit(null as never, null as never)],
])('the event loop turns under callers that await one %s after the other', async (_, ask) => {
  const processor = new OrderProcessor();
  await processor.submit({ id: 'o-1', userId: 'u', amount: 1 });
  let turns = 0;
  const timer = setInterval(() => {
    turns += 1;
  }, 1);
  const until = performance.now() + 60;
  while (performance.now() < until) await ask(processor, 'o-1').catch(() => {});
  clearInterval(timer);
  expect(turns).toBeGreaterThan(3);
});
