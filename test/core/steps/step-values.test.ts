import { MemoryStorage, OrderError, OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { errorOf } from '../../kit/helpers.ts';
import { open } from '../../kit/kept/helpers.ts';
import { KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = { id: 'a', userId: 'u', amount: 1 };
const closed = new OrderError('closed', 'Closed');

function returning(name: string, value: unknown, rest: Partial<Step> = {}): Step {
  return { name, run: () => value, ...rest };
}

describe('what steps return', () => {
  it('stands in the receipt, the record and the event, by name', async () => {
    const charge = { chargeId: 'c-1' };
    const processor = new OrderProcessor({
      steps: [
        returning('payment', charge),
        returning('nothing', undefined),
        returning('skipped', 'no', { when: () => false }),
        returning('__proto__', 'own'),
        returning('null', null),
      ],
    });
    const events: unknown[] = [];
    processor.on('completed', ({ results }) => events.push(results));
    processor.on('started', ({ results }) => events.push(results));
    const receipt = await processor.submit(order);
    expect(Object.entries(receipt.results)).toEqual([
      ['payment', charge],
      ['__proto__', 'own'],
      ['null', null],
    ]);
    expect(receipt.results.payment).toBe(charge);
    expect(Object.isFrozen(receipt.results)).toBe(true);
    expect(events).toEqual([{}, receipt.results]);
    expect((await processor.order('a'))?.results).toEqual(receipt.results);
    expect(await processor.submit(order)).toEqual(receipt);
    expect((await processor.orders()).orders[0]?.results).toEqual(receipt.results);
  });

  it('invariant 6: costs an order whose steps return nothing nothing', async () => {
    const processor = new OrderProcessor({ steps: [returning('work', undefined)] });
    const [one, two] = await processor.submitMany([
      { userId: 'u', amount: 1 },
      { userId: 'u', amount: 1 },
    ]);
    const [first, second] = [one, two].map((outcome) =>
      outcome?.status === 'completed' ? outcome.results : undefined,
    );
    expect(first).toEqual({});
    expect(first).toBe(second);
  });

  it('invariant 6: counts for what settled orders may take in memory', async () => {
    const storage = new MemoryStorage({ retainBytes: 50_000 });
    const processor = new OrderProcessor({
      storage,
      steps: [returning('work', 'x'.repeat(20_000))],
    });
    for (const id of ['a', 'b', 'c']) await processor.submit({ ...order, id });
    expect(storage.find('a')).toBeUndefined();
    expect(storage.find('c')?.results.work).toHaveLength(20_000);
  });

  it('is kept of an order that failed: of those steps that had finished', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage, {
      steps: [
        returning('payment', 'c-1', { compensate: () => {} }),
        returning('fails', 0, { after: 'payment', run: () => Promise.reject(closed) }),
        returning('late', 'never', { after: 'fails' }),
      ],
    });
    const failed = errorOf(processor.submit(order));
    await clock.runAll();
    expect((await failed).code).toBe('closed');
    expect((await processor.order('a'))?.results).toEqual({ payment: 'c-1' });
    expect(storage.disk.find('a')?.results).toEqual({ payment: 'c-1' });
    await processor.shutdown();
  });
});

describe('where the storage keeps JSON', () => {
  class Charge {
    readonly chargeId = 'c-1';
  }
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  const pay = '`pay` returned what the storage cannot keep, which is JSON alone:';

  it.each<[string, unknown, string]>([
    ['a date', { at: [new Date(0)] }, 'results.pay.at[0] is a Date'],
    ['an instance of a class', new Charge(), 'results.pay is a Charge'],
    ['a bigint', { amount: 1n }, 'results.pay.amount is a bigint'],
    ['what is no number', Number.NaN, 'results.pay is NaN'],
    ['a function', () => {}, 'results.pay is a function'],
    ['a symbol', Symbol('a'), 'results.pay is a symbol'],
    ['a part of itself', circle, 'results.pay.self is part of itself'],
    ['half a character', '\ud800', 'results.pay is a string with a lone surrogate'],
    ['a map', new Map(), 'results.pay is a Map'],
    [
      'an object that throws',
      {
        get a() {
          throw new Error('No');
        },
      },
      'results.pay is an object that throws when it is read',
    ],
  ])(
    'invariant 10: a step that returns %s fails its order, and is compensated with it',
    async (_, value, issue) => {
      const seen: unknown[] = [];
      const steps: Step[] = [
        returning('pay', value, {
          retry: { attempts: 5 },
          compensate: (_order, { isFinished, result, error }) =>
            void seen.push(isFinished, result, error.code),
        }),
        returning('after', 1, { after: 'pay' }),
      ];
      const storage = new KeptStorage(undefined, 'json');
      const processor = await open(storage, { steps });
      const stepped: unknown[] = [];
      processor.on('stepped', ({ step }) => stepped.push([step.name, step.status, step.code]));
      const failed = errorOf(processor.submit(order));
      await clock.runAll();
      const error = await failed;
      expect(error).toMatchObject({
        code: 'internal',
        message: 'Something went wrong',
        cause: expect.objectContaining({ message: `Step ${pay} ${issue}` }),
        retryable: false,
      });
      expect(error.steps).toMatchObject([
        { status: 'error', code: 'internal', attempts: 1, compensation: { status: 'ok' } },
        { status: 'skipped' },
      ]);
      expect(seen).toEqual([true, value, 'internal']);
      expect(stepped).toEqual([
        ['pay', 'error', 'internal'],
        ['pay', 'error', 'internal'],
      ]);
      expect(await processor.order('a')).toMatchObject({ status: 'failed', results: {} });
      expect(await processor.balance('u')).toBeUndefined();
      await processor.shutdown();
    },
  );

  it('a late result that is no JSON is left out of what is kept', async () => {
    const storage = new KeptStorage(undefined, 'json');
    const steps: Step[] = [
      {
        name: 'slow',
        compensate: () => {},
        run: (_, { signal }) =>
          new Promise((resolve) =>
            signal.addEventListener('abort', () => resolve(new Date(0)), { once: true }),
          ),
      },
      returning('fails', 0, { run: () => Promise.reject(closed) }),
    ];
    const processor = await open(storage, { steps });
    const failed = errorOf(processor.submit(order));
    await clock.runAll();
    expect((await failed).steps).toMatchObject([{ status: 'compensated' }, { status: 'error' }]);
    expect(storage.disk.find('a')?.results).toEqual({});
    await processor.shutdown();
  });

  it('JSON of any kind is kept, and what a compensation returns is not looked at', async () => {
    const storage = new KeptStorage(undefined, 'json');
    const value = { a: [1, 'two', null, { b: true, c: undefined }] };
    const processor = await open(storage, {
      steps: [
        returning('pay', value, { compensate: () => new Date(0) }),
        returning('picky', 1, {
          after: 'pay',
          run: ({ id }) => (id === 'b' ? Promise.reject(closed) : 0),
        }),
      ],
    });
    const receipt = processor.submit(order);
    const failed = errorOf(processor.submit({ ...order, id: 'b' }));
    await clock.runAll();
    expect((await receipt).results).toEqual({ pay: value, picky: 0 });
    expect((await failed).steps[0]?.status).toBe('compensated');
    await processor.shutdown();
  });
});
