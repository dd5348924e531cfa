import { expect, it } from 'vitest';
import { appOf, bodyOf, order } from './helpers.ts';

const circular: Record<string, unknown> = { a: 1 };
circular.self = circular;
const { proxy: revoked, revoke } = Proxy.revocable({}, {});
revoke();

class Money {
  readonly #units = 5;
  toJSON(): string {
    return `${this.#units}`;
  }
}

/** What a host may hand in itself, and what a client sees of it. */
const payloads: [name: string, payload: unknown, seen: unknown][] = [
  ['a BigInt', 10n, null],
  ['a BigInt inside', { amount: 10n }, null],
  ['a circle', circular, null],
  ['a Date', new Date(0), '1970-01-01T00:00:00.000Z'],
  ['a Date that is none', new Date(Number.NaN), null],
  ['a Map', new Map([[1, 2]]), {}],
  ['a Symbol', Symbol('s'), undefined],
  ['a function', () => 1, undefined],
  ['undefined', undefined, undefined],
  ['NaN', Number.NaN, null],
  ['an own toJSON', new Money(), '5'],
  ['a toJSON that gives nothing', { toJSON: () => undefined }, undefined],
  [
    'a getter that throws',
    {
      get a(): never {
        throw new Error('No');
      },
    },
    null,
  ],
  ['a revoked proxy', revoked, null],
  ['a field named payload', { payload: { payload: 1 } }, { payload: { payload: 1 } }],
  ['a field named orders', { orders: [1] }, { orders: [1] }],
];

it.each(payloads)('%s as a payload breaks no answer', async (_name, payload, seen) => {
  const { processor, get, remove, errors } = appOf();
  await processor.enqueue({ ...order, payload });
  await processor.enqueue({ ...order, id: 'o-2', payload: { fine: true } });
  const { orders } = await bodyOf(await get('/orders'));
  expect(orders).toMatchObject([{ id: 'o-2', payload: { fine: true } }, { id: 'o-1' }]);
  expect(orders[1].payload).toEqual(seen);
  expect((await bodyOf(await get('/orders/o-1'))).payload).toEqual(seen);
  processor.pause();
  await processor.enqueue({ ...order, id: 'o-3', payload });
  const canceled = await bodyOf(await remove('/orders/o-3'));
  expect([canceled.status, canceled.payload]).toEqual(['canceled', seen]);
  expect(errors).toEqual([]);
});

it('all of them on one page break none', async () => {
  const { processor, get } = appOf();
  for (const [id, payload] of payloads) await processor.enqueue({ ...order, id, payload });
  const { orders } = await bodyOf(await get('/orders'));
  const seen = new Map(orders.map(({ id, payload }: never) => [id, payload]));
  expect(seen).toEqual(new Map(payloads.map(([id, , expected]) => [id, expected])));
});

it('what a schema makes of a payload breaks no receipt', async () => {
  const schema = {
    '~standard': {
      version: 1 as const,
      vendor: 'test',
      validate: (value: unknown) => ({ value: { of: value, at: 1n } }),
    },
  };
  const { post } = appOf({ schema });
  const receipt = await bodyOf(await post({ ...order, payload: 'x' }, { prefer: 'wait=5' }));
  expect(receipt).toMatchObject({ status: 'completed', payload: null });
});

it('a result of a step that is no JSON breaks no receipt', async () => {
  const steps = [
    { name: 'odd', run: () => ({ amount: 1n }) },
    { name: 'even', run: () => ({ chargeId: 'c-1' }) },
  ];
  const { post, get } = appOf({ steps });
  const results = { odd: null, even: { chargeId: 'c-1' } };
  const receipt = await bodyOf(await post(order, { prefer: 'wait=5' }));
  expect(receipt).toMatchObject({ status: 'completed', orderedAmount: order.amount, results });
  expect(await bodyOf(await get('/orders/o-1'))).toMatchObject({ results });
});

it('a payload whose own toJSON throws breaks no list', async () => {
  const { processor, get } = appOf();
  const throws = (): never => {
    throw new Error('No JSON');
  };
  await processor.enqueue({ ...order, payload: { toJSON: throws } });
  await processor.enqueue({ ...order, id: 'o-2', payload: 'text' });
  const { orders } = await bodyOf(await get('/orders'));
  expect(orders.map(({ payload }: { payload: unknown }) => payload)).toEqual(['text', null]);
  expect(await bodyOf(await get('/orders/o-1'))).toMatchObject({ id: 'o-1', payload: null });
});
