/** The spans of orders that fail or are refused, of attempts and of compensations. */
import { OrderError, OrderProcessor, refuse, type Step } from 'order-processor';
import { instrument } from 'order-processor/opentelemetry';
import { describe, expect, it } from 'vitest';
import { codeOf } from '../kit/helpers.ts';
import { idOf, parentOf, TracedProcess } from './traced-process.ts';
import { order, useTracedRuns } from './traced-runs.ts';

const traced = useTracedRuns();

describe('what fails', () => {
  it('sets the status and `error.type` of the attempt and of the order, and says no message', async () => {
    const declined: Step = {
      name: 'charge',
      run: () => {
        throw new OrderError('card_declined', 'Card 4242 was declined', { retryable: false });
      },
    };
    const process = await traced((processor) => codeOf(processor.submit(order('o-1'))), {}, [
      declined,
    ]);
    for (const name of ['charge', 'process orders']) {
      const span = process.one(name);
      expect([span.attributes['error.type'], span.status]).toEqual(['card_declined', { code: 2 }]);
    }
    expect(process.one('process orders').attributes['order_processor.order.status']).toBe('failed');
    expect(process.one('send orders').status).toEqual({ code: 0 });
  });

  it('has a span for each attempt, and an event of `process` for each pause', async () => {
    const flaky: Step = {
      name: 'flaky',
      retry: { attempts: 3, delayMs: 2, jitter: false },
      run: (_, { attempt }) => {
        if (attempt < 3) throw new OrderError('busy', 'Busy');
      },
    };
    const process = await traced((processor) => processor.submit(order('o-1')), {}, [flaky]);
    const processed = process.one('process orders');
    const attempts = process.named('flaky');
    expect(
      attempts.map(({ attributes, status }) => [
        attributes['order_processor.step.attempt'],
        attributes['error.type'],
        status.code,
      ]),
    ).toEqual([
      [1, 'busy', 2],
      [2, 'busy', 2],
      [3, undefined, 0],
    ]);
    expect(attempts.map(parentOf)).toEqual(Array(3).fill(idOf(processed)));
    expect(processed.status.code).toBe(0);
    expect(processed.events.map(({ name, attributes }) => ({ name, ...attributes }))).toEqual(
      [1, 2].map((attempt) => ({
        name: 'order_processor.step.pause',
        'order_processor.step.name': 'flaky',
        'order_processor.step.attempt': attempt,
        'order_processor.step.pause_ms': expect.any(Number),
        'error.type': 'busy',
      })),
    );
  });

  it('has a span for each compensation, below `process`', async () => {
    const steps: Step[] = [
      { name: 'reserve', run: () => {}, compensate: () => {} },
      {
        name: 'charge',
        after: 'reserve',
        run: () => {
          throw new OrderError('declined', 'Declined', { retryable: false });
        },
      },
    ];
    const process = await traced((processor) => codeOf(processor.submit(order('o-1'))), {}, steps);
    const undo = process.one('compensate reserve');
    expect(parentOf(undo)).toBe(idOf(process.one('process orders')));
    expect(undo.attributes['order_processor.step.is_compensation']).toBe(true);
  });

  it('ends `send` of an order that is refused with its code, and has no `process`', async () => {
    const process = new TracedProcess();
    const processor = new OrderProcessor({ rules: [() => refuse('shop_closed', 'Closed')] });
    using _ = instrument(processor, { tracerProvider: process.provider });
    expect(await codeOf(processor.submit(order('o-1')))).toBe('shop_closed');
    expect(await codeOf(processor.submit({ userId: '', amount: 1 }))).toBe('invalid_order');
    await processor.shutdown();
    expect(
      process
        .named('send orders')
        .map(({ attributes, status }) => [
          attributes['error.type'],
          attributes['order_processor.submit.status'],
          status.code,
        ]),
    ).toEqual([
      ['shop_closed', 'refused', 2],
      ['invalid_order', 'refused', 2],
    ]);
    expect(process.spans).toHaveLength(2);
  });
});
