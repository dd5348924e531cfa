/** What spans there are, of what kind, with what in them, below what. */
import { context, propagation } from '@opentelemetry/api';
import { OrderError, OrderProcessor, refuse, type Step } from 'order-processor';
import { type InstrumentOptions, instrument } from 'order-processor/opentelemetry';
import { describe, expect, it } from 'vitest';
import { codeOf, deferred, range } from '../kit/helpers.ts';
import { useFolder } from '../sqlite/helpers.ts';
import {
  activeSpanId,
  idOf,
  linksOf,
  parentOf,
  shapeOf,
  TracedProcess,
  traceOf,
  useContextManager,
} from './traced-process.ts';

useContextManager();
const folder = useFolder();

const order = (id: string, userId = 'ann', amount = 1) => ({ id, userId, amount });

async function traced(
  run: (processor: OrderProcessor, process: TracedProcess) => Promise<unknown>,
  options: InstrumentOptions = {},
  steps: Step[] = [],
): Promise<TracedProcess> {
  const process = new TracedProcess();
  const processor = new OrderProcessor({ storage: await folder.open(), steps });
  using _ = instrument(processor, { tracerProvider: process.provider, ...options });
  await run(processor, process);
  await processor.shutdown();
  return process;
}

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

describe('invariant 11: changes nothing', () => {
  const throws = (): never => {
    throw new Error('The tracer is broken');
  };
  const broken: Record<string, object> = {
    'a tracer that throws': { startSpan: throws, startActiveSpan: throws },
    'a tracer whose spans throw': {
      startSpan: () => new Proxy({}, { get: (_, name) => (name === 'then' ? undefined : throws) }),
    },
    'a tracer whose spans are nothing': { startSpan: () => undefined },
  };

  it.each(Object.entries(broken))('%s', async (_, tracer) => {
    const seen: string[] = [];
    const processor = new OrderProcessor({
      storage: await folder.open(),
      steps: [{ name: 'charge', run: ({ id }) => seen.push(id) }],
    });
    using __ = instrument(processor, { tracerProvider: { getTracer: () => tracer as never } });
    const receipts = await Promise.all(range(3).map((at) => processor.submit(order(`o-${at}`))));
    await processor.shutdown();
    expect(receipts.map(({ balance }) => balance)).toEqual([1, 2, 3]);
    expect(seen).toEqual(['o-0', 'o-1', 'o-2']);
  });

  it('no SDK', async () => {
    const processor = new OrderProcessor();
    using _ = instrument(processor);
    expect((await processor.submit(order('o-1'))).balance).toBe(1);
    await processor.shutdown();
  });

  it('what has begun before `instrument`, and what ends after `stop`', async () => {
    const process = new TracedProcess();
    const gates = new Map(['o-1', 'o-2'].map((id) => [id, deferred()]));
    const begun = deferred();
    const processor = new OrderProcessor({
      steps: [
        {
          name: 'wait',
          run: ({ id }) => {
            begun.resolve();
            return gates.get(id)?.promise;
          },
        },
      ],
    });
    const before = processor.submit(order('o-1'));
    await begun.promise;
    const { stop } = instrument(processor, { tracerProvider: process.provider });
    const during = processor.submit(order('o-2', 'bob'));
    gates.get('o-1')?.resolve();
    await before;
    stop();
    gates.get('o-2')?.resolve();
    await Promise.all([during, processor.submit(order('o-3'))]);
    await processor.shutdown();
    // Of the second order alone, and its span and that of its step are not ended.
    const names = ['send orders', 'process orders', 'wait'];
    expect(process.counted.started.map(({ name }) => name)).toEqual(names);
    expect(process.spans.map(({ name }) => name)).toEqual(['send orders']);
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
