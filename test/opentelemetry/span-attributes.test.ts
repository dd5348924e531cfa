/** What spans say of an order: what the options allow. */
import { OrderError } from 'order-processor';
import type { InstrumentOptions } from 'order-processor/opentelemetry';
import { describe, expect, it } from 'vitest';
import { codeOf } from '../kit/helpers.ts';
import type { TracedProcess } from './traced-process.ts';
import { order, useTracedRuns } from './traced-runs.ts';

const traced = useTracedRuns();

describe('what spans say of an order', () => {
  const submitted = (options: InstrumentOptions) =>
    traced(
      (processor) =>
        processor.submit({
          id: 'o-1',
          userId: 'ann@example.org',
          amount: 4711,
          payload: { to: 'Bob' },
        }),
      options,
      [
        {
          name: 'note',
          run: () => 'ann@example.org',
        },
      ],
    );
  const textOf = ({ spans }: TracedProcess): string =>
    JSON.stringify(
      spans.map(({ name, attributes, events, status }) => [name, attributes, events, status]),
    );

  it('no user, no amount and no payload by default', async () => {
    expect(textOf(await submitted({}))).not.toMatch(/ann|4711|Bob/);
  });

  it('what the options allow', async () => {
    const process = await submitted({ userIds: true, amounts: true, payloads: true });
    for (const name of ['send orders', 'process orders']) {
      expect(process.one(name).attributes).toMatchObject({
        'user.id': 'ann@example.org',
        'order_processor.order.amount': 4711,
        'order_processor.order.payload': '{"to":"Bob"}',
      });
    }
  });

  it('the attributes and the destination that they are given', async () => {
    const process = await submitted({ destination: 'shop', attributes: { region: 'eu' } });
    expect(process.spans.map(({ attributes }) => attributes.region)).toEqual(Array(4).fill('eu'));
    expect(process.one('send shop').attributes['messaging.destination.name']).toBe('shop');
  });

  it('the message of an error with `errorMessages`', async () => {
    const process = await traced(
      (processor) => codeOf(processor.submit(order('o-1'))),
      { errorMessages: true },
      [
        {
          name: 'charge',
          run: () => {
            throw new OrderError('declined', 'Declined by the bank', { retryable: false });
          },
        },
      ],
    );
    expect(process.one('charge').status.message).toBe('Declined by the bank');
  });
});
