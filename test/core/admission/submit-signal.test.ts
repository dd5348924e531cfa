import { OrderProcessor, type OrderProcessorOptions, refuse } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, errorOf, logOf } from '../../kit/helpers.ts';
import { order, schemaOf } from '../../kit/schemas.ts';

const broken = new Error('Broken');
const raise = (): never => {
  throw broken;
};

describe('a submit whose signal has aborted before', () => {
  it.each<[string, OrderProcessorOptions]>([
    ['no rules', {}],
    ['rules', { rules: [() => refuse('never_asked')] }],
    ['a schema', { schema: schemaOf(raise) }],
    ['steps', { steps: [{ name: 'never', run: raise }] }],
  ])('invariant 8: gets the ids of its order in the error, with %s', async (_, options) => {
    const processor = new OrderProcessor(options);
    const events = logOf(processor);
    const signal = AbortSignal.abort();
    const error = await errorOf(processor.submit(order('a'), { signal }));
    expect(error).toMatchObject({ code: 'canceled', orderId: 'a', userId: 'u', steps: [] });
    const unnamed = await errorOf(processor.submit({ userId: 'u', amount: 1 }, { signal }));
    expect(unnamed).toMatchObject({ code: 'canceled', userId: 'u' });
    expect(unnamed.orderId).toMatch(/^[0-9a-f-]{36}$/);
    expect(events).toEqual(['refused:a:canceled', `refused:${unnamed.orderId}:canceled`]);
    // What is no order at all is that first.
    expect(await codeOf(processor.submit({} as never, { signal }))).toBe('invalid_order');
  });
});
