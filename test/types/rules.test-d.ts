/** Rules, as a caller writes and takes them. Checked by the compiler alone. */
import {
  type AcceptedOrder,
  maxAmount,
  maxItems,
  minAmount,
  OrderProcessor,
  prioritize,
  type Rule,
  refuse,
  type Step,
  urgentAbove,
} from 'order-processor';
import { describe, expectTypeOf, it } from 'vitest';
import { z } from 'zod';

interface Meal {
  readonly dish: string;
}

interface Basket {
  readonly items: readonly { readonly sku: string }[];
}

describe('a ready-made rule', () => {
  const anything = [minAmount(1), maxAmount(10), urgentAbove(5)];

  it('fits any payload and says nothing of it', () => {
    expectTypeOf(minAmount(1)).toExtend<Rule<Meal>>();
    expectTypeOf(new OrderProcessor({ rules: anything })).toEqualTypeOf<OrderProcessor>();
    expectTypeOf(new OrderProcessor<Meal>({ rules: anything })).toEqualTypeOf<
      OrderProcessor<Meal>
    >();
    const vendor: Step<Meal> = { name: 'vendor', run() {} };
    expectTypeOf(new OrderProcessor({ rules: anything, steps: [vendor] })).toEqualTypeOf<
      OrderProcessor<Meal>
    >();
    expectTypeOf(
      new OrderProcessor({ rules: anything, schema: z.object({ dish: z.string() }) }),
    ).toEqualTypeOf<OrderProcessor<{ dish: string }>>();
  });

  it('that counts items takes a payload with items, or a function that counts', () => {
    const basket = z.object({ items: z.array(z.object({ sku: z.string() })) });
    expectTypeOf(
      new OrderProcessor({ schema: basket, rules: [maxItems(50), ...anything] }),
    ).toEqualTypeOf<OrderProcessor<{ items: { sku: string }[] }>>();
    new OrderProcessor<Basket>({ rules: [maxItems(50)] });
    new OrderProcessor<Basket>({ rules: [maxItems(50, ({ items }) => items.length)] });
    new OrderProcessor<Meal>({ rules: [maxItems(50, ({ dish }) => dish.length)] });
    // @ts-expect-error a payload without items
    new OrderProcessor<Meal>({ rules: [maxItems(50)] });
    // @ts-expect-error from a schema
    new OrderProcessor({ schema: z.object({ dish: z.string() }), rules: [maxItems(50)] });
  });
});

describe('a rule', () => {
  it('answers nothing, or one of two', () => {
    const rule: Rule<Meal> = (order) => {
      expectTypeOf(order).toEqualTypeOf<AcceptedOrder<Meal>>();
      if (order.amount > 5) return prioritize('high', 'large');
      if (order.amount === 0) return refuse('nothing', 'Nothing is ordered');
      return undefined;
    };
    new OrderProcessor({
      rules: [rule, () => {}, () => null, () => undefined, (order) => order.amount > 5 && refuse()],
    });
    // @ts-expect-error a rule answers at once
    new OrderProcessor({ rules: [async () => refuse()] });
    // @ts-expect-error a rule says why
    new OrderProcessor({ rules: [() => true] });
    // @ts-expect-error one of three
    prioritize('urgent', 'label');
  });
});
