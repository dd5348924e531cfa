import type { NewOrder } from '../../core/order/stored-order.ts';
import type { OrderStorage } from '../../core/storage/order-storage.ts';
import {
  acceptNew,
  assertStored,
  newOrder,
  pendingOrder,
  settle,
  settledOrder,
  settlementOf,
} from '../orders.ts';
import type { Declare } from '../suite.ts';

const jsonPayloads: readonly unknown[] = [
  ...[undefined, null, true, false, 0, 1, -1.5, 1e21, 5e-324, Number.MAX_SAFE_INTEGER],
  ...['', 'null', '"', 'a\0b', '\u2028', '\u{1f600}', '\ud800', 'x'.repeat(100_000)],
  ...[[], {}, [[]], [null], [{ a: [] }], { a: { b: { c: null } } }, { '': '' }, [1, '1', [1]]],
  JSON.parse('{"__proto__":1,"constructor":2,"b":1,"a":2,"1":3}'),
  { items: Array.from({ length: 1_000 }, (_, at) => ({ at, name: `item ${at}` })) },
];

class Purchase {
  readonly #total = 7;
  get total(): number {
    return this.#total;
  }
}

function anyPayloads(): unknown[] {
  const circle: { self?: unknown } = {};
  circle.self = circle;
  const values = [Number.NaN, -0, 10n, new Date(0), new Map([[1, 2]]), new Set([1]), /x/gi];
  return [...values, new Purchase(), () => 1, Symbol.iterator, [undefined], circle];
}

/** Declares that payloads come back, in `find`, from `unsettled` and when they are settled. */
export function declarePayloadRules(declare: Declare<OrderStorage>): void {
  declare('order rule 1', 'a payload comes back as it was', async (storage) => {
    const payloads = [...jsonPayloads, ...(storage.payloads === 'json' ? [] : anyPayloads())];
    const orders = payloads.map((payload, at) => newOrder(`o-${at}`, { payload }));
    await checkAllOf(storage, orders);
  });

  declare(
    'order rule 1',
    'the content that a caller handed in comes back as it was',
    async (storage) => {
      const pairs: [payload: unknown, content: unknown][] = [
        [{ total: 1 }, '{"total":1}'],
        [undefined, { dropped: true }],
        [{ made: true }, undefined],
        [undefined, null],
        [null, undefined],
        [null, null],
        [[], [[]]],
        ['same', 'same'],
      ];
      const orders = pairs.map(([payload, content], at) =>
        newOrder(`o-${at}`, { payload, content }),
      );
      await checkAllOf(storage, orders);
    },
  );

  async function checkAllOf(storage: OrderStorage, orders: readonly NewOrder[]): Promise<void> {
    const accepted = orders.filter((_, at) => at % 2 === 0);
    await acceptNew(storage, accepted);
    for (const order of accepted) await assertStored(storage, pendingOrder(order));
    const settlements = orders.map((order, at) =>
      settlementOf(order, { isAccepted: at % 2 === 0, outcome: 'failed' }),
    );
    const results = await settle(storage, settlements);
    for (const [at, settlement] of settlements.entries()) {
      await assertStored(storage, settledOrder(settlement, results[at]));
    }
  }
}
