/** How a payload's type comes from a schema into everything else. Checked by the compiler alone. */
import {
  type AcceptedOrder,
  type CompensationContext,
  minAmount,
  type Order,
  type OrderOutcome,
  OrderProcessor,
  type OrderRecord,
  type Receipt,
  type Rule,
  refuse,
  type StandardSchema,
  type Step,
} from 'order-processor';
import * as v from 'valibot';
import { describe, expectTypeOf, it } from 'vitest';
import { z } from 'zod';

interface Meal {
  readonly dish: string;
}

interface Charge {
  readonly chargeId: string;
}

describe('a schema', () => {
  it('of zod gives steps, rules, events, receipts and records their payload', () => {
    const processor = new OrderProcessor({
      schema: z.object({ dish: z.string(), portions: z.number() }),
      rules: [
        (order) => {
          expectTypeOf(order.payload).toEqualTypeOf<{ dish: string; portions: number }>();
          return order.payload.portions > 9 && refuse('too_many_portions');
        },
      ],
      steps: [
        {
          name: 'vendor',
          run(order, context) {
            expectTypeOf(order.payload).toEqualTypeOf<{ dish: string; portions: number }>();
            expectTypeOf(context.order.payload.dish).toEqualTypeOf<string>();
          },
          compensate(order, context) {
            expectTypeOf(order.payload.portions).toEqualTypeOf<number>();
            expectTypeOf(context.order.payload.portions).toEqualTypeOf<number>();
          },
        },
      ],
    });
    type Payload = { dish: string; portions: number };
    expectTypeOf(processor).toEqualTypeOf<OrderProcessor<Payload>>();
    processor
      .on('accepted', (record) => expectTypeOf(record).toEqualTypeOf<OrderRecord<Payload>>())
      .once('started', (record) => expectTypeOf(record).toEqualTypeOf<OrderRecord<Payload>>())
      .on('completed', (receipt) => expectTypeOf(receipt).toEqualTypeOf<Receipt<Payload>>());
    expectTypeOf(processor.order('o-1')).resolves.toEqualTypeOf<OrderRecord<Payload> | undefined>();
    const order: Order<Payload> = {
      userId: 'u',
      amount: 1,
      payload: { dish: 'soup', portions: 1 },
    };
    expectTypeOf(processor.submit(order)).resolves.toEqualTypeOf<Receipt<Payload>>();
    expectTypeOf(processor.enqueue(order)).resolves.toEqualTypeOf<OrderRecord<Payload>>();
    expectTypeOf(processor.submitMany([order])).resolves.toEqualTypeOf<OrderOutcome<Payload>[]>();
    expectTypeOf(processor.submitStream([order])).toEqualTypeOf<
      AsyncIterableIterator<OrderOutcome<Payload>>
    >();
  });

  it('of valibot does so too, wherever it stands among the options', () => {
    const processor = new OrderProcessor({
      rules: [
        ({ payload }) => {
          expectTypeOf(payload).toEqualTypeOf<{ dish: string }>();
        },
      ],
      steps: [
        {
          name: 'vendor',
          run: ({ payload }) => expectTypeOf(payload).toEqualTypeOf<{ dish: string }>(),
        },
      ],
      schema: v.object({ dish: v.string() }),
    });
    expectTypeOf(processor).toEqualTypeOf<OrderProcessor<{ dish: string }>>();
    processor.on('completed', ({ payload }) => {
      expectTypeOf(payload).toEqualTypeOf<{ dish: string }>();
    });
    // @ts-expect-error with another payload
    void processor.submit({ userId: 'u', amount: 1, payload: { dish: 1 } });
    // @ts-expect-error without a payload
    void processor.submit({ userId: 'u', amount: 1 });
  });

  it.each([
    () =>
      new OrderProcessor({
        schema: z.object({
          dish: z.string().default('soup'),
          at: z.string().transform((text) => new Date(text)),
        }),
        steps: [
          { name: 'a', run: ({ payload }) => expectTypeOf(payload.at).toEqualTypeOf<Date>() },
        ],
      }),
    () =>
      new OrderProcessor({
        schema: v.object({
          dish: v.optional(v.string(), 'soup'),
          at: v.pipe(
            v.string(),
            v.transform((text) => new Date(text)),
          ),
        }),
        steps: [
          { name: 'a', run: ({ payload }) => expectTypeOf(payload.at).toEqualTypeOf<Date>() },
        ],
      }),
    () =>
      new OrderProcessor({
        schema: z
          .object({ dish: z.string().default('soup'), at: z.string() })
          .transform(async ({ dish, at }) => ({ dish, at: new Date(at) })),
        rules: [minAmount(1), ({ payload }) => payload.at < new Date() && refuse('too_late')],
      }),
  ])('that changes the payload has callers hand in one type and all else see another', (make) => {
    type Output = { dish: string; at: Date };
    const processor = make();
    const order = { userId: 'u', amount: 1, payload: { at: '2030-01-01' } };
    expectTypeOf(processor.submit(order)).resolves.toEqualTypeOf<Receipt<Output>>();
    expectTypeOf(processor.enqueue(order)).resolves.toEqualTypeOf<OrderRecord<Output>>();
    expectTypeOf(processor.submitMany([order])).resolves.toEqualTypeOf<OrderOutcome<Output>[]>();
    async function* source() {
      yield order;
    }
    expectTypeOf(processor.submitStream(source())).toEqualTypeOf<
      AsyncIterableIterator<OrderOutcome<Output>>
    >();
    const late = { userId: 'u', amount: 1, payload: { dish: 'soup', at: new Date() } };
    // @ts-expect-error what comes out of the schema is not what goes in
    void processor.submit(late);
    // @ts-expect-error
    void processor.enqueue(late);
    // @ts-expect-error
    void processor.submitMany([late]);
    // @ts-expect-error
    void processor.submitStream([late]);
  });

  it('lets the payload be left out where it takes `undefined`', () => {
    const processor = new OrderProcessor({ schema: z.string().default('none') });
    expectTypeOf(processor).toEqualTypeOf<OrderProcessor<string, string | undefined>>();
    expectTypeOf(processor.submit({ userId: 'u', amount: 1 })).resolves.toEqualTypeOf<
      Receipt<string>
    >();
  });

  it('must fit the steps and the rules that stand beside it', () => {
    const vendor: Step<Meal> = { name: 'vendor', run() {} };
    const polite: Rule<Meal> = ({ payload }) => payload.dish === '' && refuse();
    new OrderProcessor({
      schema: z.object({ dish: z.string() }),
      steps: [vendor],
      rules: [polite],
    });
    // @ts-expect-error the step wants another payload
    new OrderProcessor({ schema: z.object({ name: z.string() }), steps: [vendor] });
    // @ts-expect-error so does the rule
    new OrderProcessor({ schema: z.object({ name: z.string() }), rules: [polite] });
    // @ts-expect-error something that is no schema
    new OrderProcessor({ schema: (payload: unknown) => payload });
  });

  it('is a StandardSchema, with its types', () => {
    const schema = z.object({ at: z.string().transform(Number) });
    expectTypeOf(schema).toExtend<StandardSchema<{ at: string }, { at: number }>>();
    expectTypeOf(schema).not.toExtend<StandardSchema<{ at: number }>>();
  });

  it('may stand beside an explicit type, of what comes out, and what goes in', () => {
    new OrderProcessor<Meal>({ schema: z.object({ dish: z.string() }) });
    const processor = new OrderProcessor<Meal, { dish?: string | undefined }>({
      schema: z.object({ dish: z.string().default('soup') }),
    });
    expectTypeOf(processor.submit({ userId: 'u', amount: 1, payload: {} })).resolves.toEqualTypeOf<
      Receipt<Meal>
    >();
    // @ts-expect-error the schema gives another payload
    new OrderProcessor<Meal>({ schema: z.object({ name: z.string() }) });
  });
});

describe('an explicit payload type', () => {
  it('reaches inline steps and rules without annotations', () => {
    const processor = new OrderProcessor<Meal>({
      rules: [
        (order) => {
          expectTypeOf(order).toEqualTypeOf<AcceptedOrder<Meal>>();
        },
        minAmount(1),
      ],
      steps: [
        { name: 'a', run: (order) => expectTypeOf(order).toEqualTypeOf<AcceptedOrder<Meal>>() },
      ],
    });
    expectTypeOf(
      processor.submit({ userId: 'u', amount: 1, payload: { dish: 'soup' } }),
    ).resolves.toEqualTypeOf<Receipt<Meal>>();
    processor.on('completed', (receipt) => {
      expectTypeOf(receipt).toEqualTypeOf<Receipt<Meal>>();
    });
  });
});

describe('the results of steps', () => {
  type Results = { payment: Charge; courier?: string };

  it('are typed by name in receipts, records and events, and checked against the steps', () => {
    const payment: Step<Meal, Charge, 'payment'> = {
      name: 'payment',
      run: async () => ({ chargeId: 'c-1' }),
    };
    const processor = new OrderProcessor<Meal, Meal, Results>({
      steps: [
        payment,
        {
          name: 'courier',
          when: ({ payload }) => payload.dish !== '',
          run: ({ payload }, context) => {
            context.setAmount(5);
            return payload.dish;
          },
          compensate(_order, context) {
            expectTypeOf(context.result).toEqualTypeOf<string | undefined>();
            // @ts-expect-error an order that does not complete has no final amount
            void context.setAmount;
          },
        },
      ],
    });
    const order = { userId: 'u', amount: 1, payload: { dish: 'soup' } };
    const receipt = processor.submit(order);
    expectTypeOf(receipt).resolves.toEqualTypeOf<Receipt<Meal, Results>>();
    expectTypeOf<Receipt<Meal, Results>['results']['payment']>().toEqualTypeOf<Charge>();
    expectTypeOf<Receipt<Meal, Results>['results']['courier']>().toEqualTypeOf<
      string | undefined
    >();
    expectTypeOf(processor.order('o-1')).resolves.toEqualTypeOf<
      OrderRecord<Meal, Results> | undefined
    >();
    expectTypeOf<OrderRecord<Meal, Results>['results']['payment']>().toEqualTypeOf<
      Charge | undefined
    >();
    expectTypeOf(processor.submitMany([order])).resolves.toEqualTypeOf<
      OrderOutcome<Meal, Results>[]
    >();
    processor.on('completed', ({ results }) => {
      expectTypeOf(results.payment.chargeId).toEqualTypeOf<string>();
    });
    // @ts-expect-error a run that returns something else
    new OrderProcessor<Meal, Meal, Results>({ steps: [{ name: 'payment', run: () => 5 }] });
    // @ts-expect-error a step that has no place in the results
    new OrderProcessor<Meal, Meal, Results>({ steps: [{ name: 'vendor', run: () => 5 }] });
  });

  it('are unknown without that', () => {
    expectTypeOf<Receipt['results']>().toEqualTypeOf<Readonly<Record<string, unknown>>>();
  });
});

describe('a step', () => {
  it('has what its run gives in its compensation', () => {
    const payment: Step<Meal, Charge> = {
      name: 'payment',
      run: async () => ({ chargeId: 'c-1' }),
      compensate(order, context) {
        expectTypeOf(order).toEqualTypeOf<AcceptedOrder<Meal>>();
        expectTypeOf(context).toEqualTypeOf<CompensationContext<Meal, Charge>>();
        expectTypeOf(context.result).toEqualTypeOf<Charge | undefined>();
        if (context.isFinished) expectTypeOf(context.result).toEqualTypeOf<Charge>();
        else expectTypeOf(context.result).toEqualTypeOf<undefined>();
        const { isFinished, result } = context;
        if (isFinished) expectTypeOf(result).toEqualTypeOf<Charge>();
        expectTypeOf(context.idempotencyKey).toEqualTypeOf<string>();
        expectTypeOf(context.compensationKey).toEqualTypeOf<string>();
        // @ts-expect-error a step that has not finished has no result
        void context.result.chargeId;
        expectTypeOf(context.error.code).toEqualTypeOf<string>();
        expectTypeOf(context.results).toEqualTypeOf<Readonly<Record<string, unknown>>>();
      },
    };
    const vendor: Step<Meal> = { name: 'vendor', after: 'payment', run() {} };
    expectTypeOf(new OrderProcessor({ steps: [payment, vendor] })).toEqualTypeOf<
      OrderProcessor<Meal>
    >();
    // @ts-expect-error a run that gives something else
    const wrong: Step<Meal, Charge> = { name: 'payment', run: () => 5 };
    void wrong;
  });

  it('for any payload stands beside one for a certain payload', () => {
    const audit: Step = { name: 'audit', run() {} };
    const vendor: Step<Meal> = { name: 'vendor', run() {} };
    expectTypeOf(new OrderProcessor({ steps: [audit, vendor] })).toEqualTypeOf<
      OrderProcessor<Meal>
    >();
  });

  it('may be a class', () => {
    class Payment implements Step<Meal, Charge> {
      readonly name = 'payment';
      async run({ payload }: AcceptedOrder<Meal>): Promise<Charge> {
        return { chargeId: payload.dish };
      }
      compensate(_order: AcceptedOrder<Meal>, { result }: CompensationContext<Meal, Charge>): void {
        expectTypeOf(result).toEqualTypeOf<Charge | undefined>();
      }
    }
    expectTypeOf(new OrderProcessor({ steps: [new Payment()] })).toEqualTypeOf<
      OrderProcessor<Meal>
    >();
  });

  it('has no fields but the documented ones', () => {
    // @ts-expect-error misspelt
    new OrderProcessor({ steps: [{ name: 'a', run() {}, timeout: 5 }] });
    // @ts-expect-error misspelt, deeper
    new OrderProcessor({ steps: [{ name: 'a', run() {}, retry: { attempt: 5 } }] });
    new OrderProcessor({
      retry: { attempts: 2, retryIf: (error) => expectTypeOf(error).toBeUnknown() },
      steps: [{ name: 'a', after: [], run() {}, timeoutMs: undefined, compensation: {} }],
    });
  });
});
