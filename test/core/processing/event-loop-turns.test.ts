import { OrderProcessor, type Step } from 'order-processor';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemTime } from '../../../src/core/runtime/system-time.ts';
import { isFull } from '../../kit/full.ts';
import { codeOf, deferred, range } from '../../kit/helpers.ts';
import { schemaOf } from '../../kit/schemas.ts';

const many = isFull ? 10_000 : 4_000;

const { now } = systemTime;

// A millisecond passes with each reading, so that the number of turns depends on no machine's speed.
beforeEach(() => {
  let ms = 0;
  systemTime.now = () => {
    ms += 1;
    return ms;
  };
});

afterEach(() => {
  systemTime.now = now;
});

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

/** Awaits one call after the other until timers have come this often, but not for ever. */
async function callUntil(times: number, call: () => Promise<unknown>): Promise<number> {
  let fired = 0;
  const timer = setInterval(() => {
    fired += 1;
  }, 1);
  for (let calls = 0; fired < times && calls < 200_000; calls += 1) await call().catch(() => {});
  clearInterval(timer);
  return fired;
}

it.each(['submit', 'enqueue'] as const)(
  'the event loop turns under callers that await one %s after the other',
  async (how) => {
    const processor = new OrderProcessor({ capacity: 100 });
    const good = { userId: 'u', amount: 1 };
    for (const order of [good, { userId: '', amount: 1 }]) {
      expect(await callUntil(4, () => processor[how](order))).toBe(4);
    }
    expect(processor.stats().failed).toBe(0);
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
  expect(await callUntil(4, () => ask(processor, 'o-1'))).toBe(4);
});
