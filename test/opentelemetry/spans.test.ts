/** What spans there are, of what kind, with what in them, below what. */
import { context, propagation } from '@opentelemetry/api';
import { OrderProcessor, type Step } from 'order-processor';
import { instrument } from 'order-processor/opentelemetry';
import { describe, expect, it } from 'vitest';
import { range } from '../kit/helpers.ts';
import {
  activeSpanId,
  idOf,
  linksOf,
  parentOf,
  shapeOf,
  TracedProcess,
  traceOf,
} from './traced-process.ts';
import { order, useTracedRuns } from './traced-runs.ts';

const traced = useTracedRuns();

const common = {
  'messaging.system.name': 'order_processor',
  'messaging.destination.name': 'orders',
};

describe('an order that completes', () => {
  it('has `send`, `process`, a span for each step, and `settle`', async () => {
    const charge: Step = { name: 'charge', run: () => {} };
    const process = await traced((processor) => processor.submit(order('o-1')), {}, [charge]);
    const shapes = process.spans.map(shapeOf).sort((a, b) => (a.name < b.name ? -1 : 1));
    expect(shapes).toEqual([
      {
        name: 'charge',
        kind: 'INTERNAL',
        status: 'UNSET',
        attributes: {
          'messaging.message.id': 'o-1',
          'order_processor.step.name': 'charge',
          'order_processor.step.attempt': 1,
          'order_processor.step.status': 'ok',
        },
      },
      {
        name: 'process orders',
        kind: 'CONSUMER',
        status: 'UNSET',
        attributes: {
          ...common,
          'messaging.operation.name': 'process',
          'messaging.operation.type': 'process',
          'messaging.message.id': 'o-1',
          'order_processor.order.status': 'completed',
          'order_processor.order.wait_ms': expect.any(Number),
        },
      },
      {
        name: 'send orders',
        kind: 'PRODUCER',
        status: 'UNSET',
        attributes: {
          ...common,
          'messaging.operation.name': 'send',
          'messaging.operation.type': 'send',
          'messaging.message.id': 'o-1',
          'order_processor.submit.method': 'submit',
          'order_processor.submit.status': 'accepted',
        },
      },
      {
        name: 'settle orders',
        kind: 'CLIENT',
        status: 'UNSET',
        attributes: {
          ...common,
          'messaging.operation.name': 'settle',
          'messaging.operation.type': 'settle',
          'messaging.message.id': 'o-1',
        },
      },
    ]);
    const { instrumentationScope } = process.one('charge');
    expect(instrumentationScope).toMatchObject({
      name: 'order-processor',
      schemaUrl: 'https://opentelemetry.io/schemas/1.45.0',
    });
  });

  it('links `process` to `send`, which is below the span of the caller', async () => {
    const process = await traced((processor, { within }) =>
      within('request', () => processor.submit(order('o-1'))),
    );
    const [request, send] = [process.one('request'), process.one('send orders')];
    expect([parentOf(send), traceOf(send)]).toEqual([idOf(request), traceOf(request)]);
    const processed = process.one('process orders');
    expect([parentOf(processed), linksOf(processed)]).toEqual([undefined, [idOf(send)]]);
    expect(traceOf(processed)).not.toBe(traceOf(send));
  });

  it('has `process` below `send` with `parent`', async () => {
    const process = await traced((processor) => processor.submit(order('o-1')), { parent: true });
    const [send, processed] = [process.one('send orders'), process.one('process orders')];
    expect([parentOf(processed), traceOf(processed)]).toEqual([idOf(send), traceOf(send)]);
    expect(linksOf(processed)).toEqual([idOf(send)]);
  });

  it('runs each step in its own span, and what the step calls is below that', async () => {
    const seen: (string | undefined)[] = [];
    const look = async (): Promise<void> => {
      seen.push(activeSpanId());
      await new Promise((resolve) => setTimeout(resolve, 1));
      seen.push(activeSpanId());
    };
    const steps: Step[] = [
      { name: 'reserve', run: look },
      { name: 'charge', after: 'reserve', run: look },
    ];
    let outside: string | undefined = 'none';
    const process = await traced(
      async (processor) => {
        const receipt = processor.submit(order('o-1'));
        outside = activeSpanId();
        await receipt;
      },
      {},
      steps,
    );
    const [reserve, charge] = [process.one('reserve'), process.one('charge')];
    expect(seen).toEqual([idOf(reserve), idOf(reserve), idOf(charge), idOf(charge)]);
    expect(outside).toBeUndefined();
    const processed = process.one('process orders');
    for (const step of [reserve, charge]) {
      expect([parentOf(step), traceOf(step)]).toEqual([idOf(processed), traceOf(processed)]);
    }
  });

  it('keeps the baggage of its caller in its steps', async () => {
    let seen: string | undefined;
    const look = (): void => {
      seen = propagation.getActiveBaggage()?.getEntry('tenant')?.value;
    };
    const baggage = propagation.createBaggage({ tenant: { value: 'eu' } });
    await traced(
      (processor) =>
        context.with(propagation.setBaggage(context.active(), baggage), () =>
          processor.submit(order('o-1')),
        ),
      {},
      [{ name: 'look', run: look }],
    );
    expect(seen).toBe('eu');
  });

  it('has `settle` below `process` when the call settles it alone, with links for a batch', async () => {
    const process = await traced(async (processor) => {
      await processor.submit(order('o-0'));
      await processor.submitMany(range(5).map((at) => order(`o-${at + 1}`, `u-${at}`)));
    });
    const processed = new Map(
      process
        .named('process orders')
        .map((span) => [span.attributes['messaging.message.id'], span]),
    );
    const calls = process.named('settle orders');
    const alone = calls.find(({ attributes }) => attributes['messaging.message.id'] === 'o-0');
    expect(alone && parentOf(alone)).toBe(idOf(processed.get('o-0') as never));
    const linked = calls.flatMap(linksOf);
    expect(linked.sort()).toEqual([...processed.values()].map(idOf).sort());
    for (const call of calls) {
      const size = call.attributes['messaging.batch.message_count'];
      expect(size ?? 1).toBe(call.links.length);
      if (size !== undefined) expect(parentOf(call)).toBeUndefined();
    }
  });
});

describe('several processors of one process', () => {
  it('each have their own spans', async () => {
    const [one, other] = [new TracedProcess(), new TracedProcess()];
    await using first = new OrderProcessor();
    await using second = new OrderProcessor();
    await using third = new OrderProcessor();
    using _ = instrument(first, { tracerProvider: one.provider });
    using __ = instrument(second, { tracerProvider: other.provider, destination: 'second' });
    await Promise.all([first, second, third].map((each) => each.submit(order('o-1'))));
    expect(one.spans.map(({ name }) => name).sort()).toEqual(['process orders', 'send orders']);
    expect(other.spans.map(({ name }) => name).sort()).toEqual(['process second', 'send second']);
  });
});

it('each `send` is below the span of its own caller', async () => {
  const process = await traced(async (processor, { within }) => {
    await Promise.all(
      range(4).map((at) => within(`request ${at}`, () => processor.submit(order(`o-${at}`)))),
    );
  });
  for (const at of range(4)) {
    const send = process
      .named('send orders')
      .find(({ attributes }) => attributes['messaging.message.id'] === `o-${at}`);
    expect(send && parentOf(send)).toBe(idOf(process.one(`request ${at}`)));
  }
});
