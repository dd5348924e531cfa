/** Typed results of steps in order. Checked by the compiler alone. */
import {
  inOrder,
  OrderProcessor,
  type Receipt,
  type Step,
  type StepContext,
} from 'order-processor';
import { describe, expectTypeOf, it } from 'vitest';

interface Meal {
  readonly dish: string;
}

interface Charge {
  readonly chargeId: string;
}

declare const reserve: Step<Meal, { readonly tableId: string }, 'reserve'>;
declare const pay: Step<Meal, Charge, 'pay'>;
declare const audit: Step<unknown, string, 'audit'>;
declare const plain: Step;

type Results = {
  readonly reserve: { readonly tableId: string };
  readonly pay: Charge;
  readonly audit: string;
};

describe('`inOrder`', () => {
  it('types the results of a processor of these steps alone', () => {
    const processor = new OrderProcessor({ steps: inOrder(reserve, pay, audit) });
    const order = { userId: 'u', amount: 1, payload: { dish: 'soup' } };
    expectTypeOf(processor.submit(order)).resolves.toExtend<Receipt<Meal, Results>>();
    processor.on('completed', ({ results, payload }) => {
      expectTypeOf(results.pay.chargeId).toEqualTypeOf<string>();
      expectTypeOf(results.reserve.tableId).toEqualTypeOf<string>();
      expectTypeOf(payload).toEqualTypeOf<Meal>();
      // @ts-expect-error no such step
      void results.courier;
    });
    // @ts-expect-error another payload
    void processor.submit({ ...order, payload: 5 });
  });

  it('takes the names of steps that are written there', () => {
    const processor = new OrderProcessor({
      steps: inOrder(
        { name: 'one', run: () => 5 },
        { name: 'two', run: async () => 'x', when: ({ amount }) => amount > 0 },
        {
          name: 'three',
          run(_order, context) {
            expectTypeOf(context).toExtend<StepContext>();
          },
        },
      ),
    });
    processor.on('completed', ({ results }) => {
      expectTypeOf(results.one).toEqualTypeOf<number>();
      expectTypeOf(results.two).toEqualTypeOf<string | undefined>();
    });
    const ofMeals = new OrderProcessor<Meal>({
      steps: inOrder({ name: 'cook', run: ({ payload }) => payload.dish }),
    });
    expectTypeOf(ofMeals).toEqualTypeOf<OrderProcessor<Meal>>();
  });

  it('knows nothing of results where a name is any', () => {
    const processor = new OrderProcessor({ steps: inOrder(plain, pay) });
    expectTypeOf(processor).toEqualTypeOf<OrderProcessor<Meal>>();
    const many: Step<Meal>[] = [];
    expectTypeOf(new OrderProcessor({ steps: inOrder(...many) })).toEqualTypeOf<
      OrderProcessor<Meal>
    >();
  });

  it('gives steps that stand among others', () => {
    expectTypeOf(new OrderProcessor({ steps: [...inOrder(reserve, pay), audit] })).toEqualTypeOf<
      OrderProcessor<Meal>
    >();
  });

  it('must fit what is wanted', () => {
    new OrderProcessor<Meal, Meal, Pick<Results, 'pay'>>({ steps: inOrder(reserve, pay) });
    // @ts-expect-error another result
    new OrderProcessor<Meal, Meal, { pay: number }>({ steps: inOrder(reserve, pay) });
    // @ts-expect-error a step is missing
    new OrderProcessor<Meal, Meal, Results>({ steps: inOrder(reserve, pay) });
    // @ts-expect-error another payload
    new OrderProcessor<{ readonly other: 1 }>({ steps: inOrder(reserve) });
    // @ts-expect-error no step
    inOrder({ name: 'a' });
  });
});
