/** The types of `order-processor/prometheus`. Checked by the compiler; nothing here runs. */
import { type OrderError, OrderProcessor, type StoredBatch } from 'order-processor';
import { type MetricsRegistry, type Observation, observe } from 'order-processor/prometheus';
import { type OpenMetricsContentType, Registry } from 'prom-client';
import { describe, expectTypeOf, it } from 'vitest';
import { z } from 'zod';

describe('observe', () => {
  it('takes a processor of any payload', () => {
    expectTypeOf(observe(new OrderProcessor())).toEqualTypeOf<Observation>();
    observe(new OrderProcessor<{ dish: string }>());
    const schema = z.object({ quantity: z.number().default(1) });
    observe(new OrderProcessor({ schema }));
    // @ts-expect-error no processor
    observe({});
  });

  it('takes either kind of registry', () => {
    const processor = new OrderProcessor();
    observe(processor, { registry: new Registry() });
    observe(processor, { registry: new Registry<OpenMetricsContentType>() });
    // @ts-expect-error another name
    observe(processor, { register: new Registry() });
    // @ts-expect-error labels are strings
    observe(processor, { labels: { zone: 5 } });
  });

  it('gives what an HTTP app takes for its metrics', () => {
    expectTypeOf<Observation>().toExtend<{ contentType: string; metrics(): Promise<string> }>();
    expectTypeOf<Observation['registry']>().toEqualTypeOf<MetricsRegistry>();
  });
});

it('what metrics are made of is there for everybody', () => {
  new OrderProcessor().on('stored', (stored) => expectTypeOf(stored).toEqualTypeOf<StoredBatch>());
  expectTypeOf<StoredBatch['operation']>().toEqualTypeOf<'accept' | 'settle' | 'remember'>();
  expectTypeOf<OrderError['waitMs']>().toEqualTypeOf<number | undefined>();
  expectTypeOf<OrderError['durationMs']>().toEqualTypeOf<number | undefined>();
});
