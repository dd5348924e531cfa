import {
  type Order,
  type OrderError,
  OrderProcessor,
  type OrderProcessorOptions,
  prioritize,
  type Rule,
  type Step,
  urgentAbove,
} from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, errorOf } from '../../kit/helpers.ts';
import { order } from '../../kit/schemas.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const ignore = (): void => {};
const broken = new Error('Broken');
const raise = (): never => {
  throw broken;
};

describe('the labels of an order', () => {
  const rules: Rule[] = [() => prioritize('high', 'first'), () => prioritize('low', 'second')];
  const labels = ['first', 'second'];

  it('stand on `stepped`, `retried`, `stalled`, and on errors about its steps', async () => {
    const told: [string, readonly string[]][] = [];
    const undoes: Step = {
      name: 'undoes',
      run: ignore,
      compensation: { retry: { attempts: 2, delayMs: 5 } },
      compensate: () => Promise.reject(broken),
    };
    const fails: Step = {
      name: 'fails',
      after: 'undoes',
      retry: { attempts: 3, delayMs: 5, retryIf: (_, attempt) => attempt === 1 || raise() },
      timeoutMs: 100,
      async run(_, { attempt }) {
        await clock.sleep(50);
        if (attempt === 1) throw broken;
        await clock.sleep(500);
      },
    };
    const processor = new OrderProcessor({ rules, steps: [undoes, fails], stalledAfterMs: 100 });
    processor
      .on('stepped', ({ step, labels }) => told.push([`stepped ${step.name}`, labels]))
      .on('retried', ({ step, labels }) => told.push([`retried ${step}`, labels]))
      .on('stalled', ({ labels }) => told.push(['stalled', labels]))
      .on('error', ({ code, labels }) => told.push([code, labels]));
    const failed = codeOf(processor.submit(order('a')));
    await clock.runAll();
    expect(await failed).toBe('timeout');
    expect(told.map(([what]) => what)).toEqual([
      'stepped undoes',
      'retried fails',
      'stalled',
      'internal',
      'stepped fails',
      'retried undoes',
      'stepped undoes',
      'compensation_failed',
    ]);
    for (const [what, its] of told) expect([what, its]).toEqual([what, labels]);
  });

  /** A processor that has room for one, which is taken. */
  const full = (more: OrderProcessorOptions = {}): OrderProcessor => {
    const processor = new OrderProcessor({ rules, capacity: 1, ...more });
    processor.pause();
    void codeOf(processor.submit({ ...order('first'), userId: 'v' }));
    return processor;
  };

  it('stand on `queue_full`, however the order came', async () => {
    const processor = full();
    const refused: OrderError[] = [];
    processor.on('refused', (error) => refused.push(error));
    const { signal } = new AbortController();
    await codeOf(processor.submit(order('a')));
    await codeOf(processor.submit(order('b'), { signal }));
    await codeOf(processor.enqueue(order('c')));
    await processor.submitMany([order('d')]);
    const facts = { code: 'queue_full', userId: 'u', labels, retryAfterMs: expect.any(Number) };
    expect(refused).toMatchObject(['a', 'b', 'c', 'd'].map((orderId) => ({ ...facts, orderId })));
  });

  it('stand on `canceled` of a caller that gave up: waiting for room, or for another caller', async () => {
    const processor = full({ overflow: 'wait' });
    const controller = new AbortController();
    const { signal } = controller;
    const waits = errorOf(processor.submit(order('a'), { signal }));
    const joins = errorOf(processor.submit({ ...order('first'), userId: 'v' }, { signal }));
    await clock.settle();
    controller.abort();
    expect(await waits).toMatchObject({ code: 'canceled', orderId: 'a', userId: 'u', labels });
    expect(await joins).toMatchObject({ code: 'canceled', orderId: 'first', userId: 'v', labels });
    expect(processor.stats()).toMatchObject({ waitingCallers: 0, unsettled: 1 });
  });
});

it('labels an order on its record, receipt, steps, events and errors', async () => {
  const seen: Record<string, readonly string[]> = {};
  const note = (at: string, labels: readonly string[]): void => {
    seen[at] = labels;
  };
  const processor = new OrderProcessor({
    rules: [() => prioritize('high', 'first'), () => prioritize('low', 'second')],
    steps: [
      {
        name: 'work',
        async run({ labels, payload }) {
          note('step', labels);
          await clock.sleep(10);
          if (payload === 'bad') throw Object.assign(new Error('No'), { code: 'declined' });
        },
      },
    ],
  });
  processor
    .on('accepted', ({ labels }) => note('accepted', labels))
    .on('started', ({ labels }) => note('started', labels))
    .on('completed', ({ labels }) => note('completed', labels))
    .on('failed', ({ labels }) => note('failed', labels))
    .on('canceled', ({ labels }) => note('canceled', labels));
  const order = (id: string): Order => ({ id, userId: id, amount: 1, payload: id });
  const good = processor.submit(order('good'));
  const bad = errorOf(processor.submit(order('bad')));
  const gone = errorOf(processor.submit(order('gone')));
  note('pending record', (await processor.order('good'))?.labels ?? []);
  await clock.advance(5);
  note('running record', (await processor.order('good'))?.labels ?? []);
  await processor.cancel('gone');
  await clock.runAll();
  note('receipt', (await good).labels);
  note('error', (await bad).labels);
  note('cancellation', (await gone).labels);
  for (const id of ['good', 'bad', 'gone']) {
    note(`settled record of ${id}`, (await processor.order(id))?.labels ?? []);
  }
  expect(Object.keys(seen)).toHaveLength(14);
  for (const [at, labels] of Object.entries(seen)) {
    expect([at, labels]).toEqual([at, ['first', 'second']]);
    expect([at, Object.isFrozen(labels)]).toEqual([at, true]);
  }
});

it('labels an order that goes at once, and one that is settled in a batch', async () => {
  const rules = [urgentAbove(10)];
  const processors = [
    new OrderProcessor({ rules }),
    new OrderProcessor({
      rules,
      storage: {
        get: () => 0,
        apply: async (changes) => changes.map(({ amount }) => ({ balance: amount })),
      },
    }),
  ];
  for (const processor of processors) {
    const receipt = await processor.submit({ id: 'a', userId: 'u', amount: 11 });
    expect(receipt.labels).toEqual(['high_value']);
    expect(await processor.order('a')).toMatchObject({
      labels: ['high_value'],
      priority: 'high',
    });
  }
});
