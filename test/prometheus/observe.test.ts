import { inspect } from 'node:util';
/** The life of an observation: options, registries, several processors, the end. */
import { OrderProcessor } from 'order-processor';
import { observe } from 'order-processor/prometheus';
import { Counter, Gauge, type OpenMetricsContentType, Registry, register } from 'prom-client';
import { describe, expect, it, vi } from 'vitest';
import { codeOf, range } from '../kit/helpers.ts';
import { useFolder } from '../sqlite/helpers.ts';
import { scrape } from './helpers.ts';

const order = (id: string, userId = 'u', amount = 1) => ({ id, userId, amount });
const namesIn = (registry: Registry) => registry.getMetricsAsArray().map(({ name }) => name);

describe('options', () => {
  const wrong: [string, unknown, string][] = [
    ['no object', 7, 'Expected `options` to be an object, got `7`'],
    ['null', null, 'Expected `options` to be an object, got `null`'],
    [
      'an unknown name',
      { regsitry: new Registry() },
      'Expected the options of observe to be among registry, prefix, labels, buckets, got `regsitry`',
    ],
    [
      'no registry',
      { registry: {} },
      'Expected `registry` to be a Registry of prom-client, got `{}`',
    ],
    [
      'null as a registry',
      { registry: null },
      'Expected `registry` to be a Registry of prom-client, got `null`',
    ],
    ...['', '1st_', 'shop-', 'shop:', 5, null].map((prefix): [string, unknown, string] => [
      `the prefix ${prefix}`,
      { prefix },
      `Expected \`prefix\` to be letters, digits and \`_\`, not a digit first, got \`${typeof prefix === 'string' ? `"${prefix}"` : prefix}\``,
    ]),
    ['labels that are none', { labels: 'eu' }, 'Expected `labels` to be an object, got `"eu"`'],
    ...['le', 'code', 'step', 'status', 'outcome', 'operation', '__name__', 'a-b', ''].map(
      (name): [string, unknown, string] => [
        `the label ${name}`,
        { labels: { [name]: 'x' } },
        `Expected \`labels\` to be names of labels other than code, step, status, outcome, operation, le, got \`"${name}"\``,
      ],
    ),
    [
      'a label without a string',
      { labels: { zone: 5 } },
      'Expected `labels.zone` to be a string, got `5`',
    ],
    [
      'buckets that are none',
      { buckets: [1] },
      'Expected the buckets of observe to be among wait, duration, step, storageBatch, storageCall, got `0`',
    ],
    ...[
      [],
      [1, 1],
      [2, 1],
      [Number.NaN],
      [1, Number.POSITIVE_INFINITY],
      ['1'],
      1,
      null,
      Array(1),
    ].map((wait): [string, unknown, string] => [
      `the bounds ${inspect(wait)}`,
      { buckets: { wait } },
      `Expected \`buckets.wait\` to be an array of rising finite numbers, at least one, got \`${inspect(wait)}\``,
    ]),
  ];

  it.each(wrong)('%s: throw, and nothing is registered or listened to', (_, options, message) => {
    const processor = new OrderProcessor();
    const on = vi.spyOn(processor, 'on');
    expect(() => observe(processor, options as never)).toThrow(new TypeError(message));
    expect(on).not.toHaveBeenCalled();
  });

  it.each([undefined, null, 7, {}, new Registry()])('the processor %s throws', (processor) => {
    expect(() => observe(processor as never)).toThrow(
      /^Expected `processor` to be an OrderProcessor, got `/,
    );
  });

  it('that are undefined are as good as left out', () => {
    const options = {
      registry: undefined,
      prefix: undefined,
      labels: undefined,
      buckets: { wait: undefined },
    };
    expect(observe(new OrderProcessor(), options).registry).toBeInstanceOf(Registry);
  });

  it('`buckets` and `prefix` are used', async () => {
    const processor = new OrderProcessor();
    const observation = observe(processor, {
      prefix: 'shop_',
      buckets: { wait: [1, 60], duration: [5] },
    });
    await processor.submit(order('a'));
    const at = await scrape(observation, 'shop_');
    expect(at.histogram('order_wait_seconds').buckets).toEqual({ '1': 1, '60': 1, '+Inf': 1 });
    expect(at.histogram('order_duration_seconds', { outcome: 'completed' }).buckets).toEqual({
      '5': 1,
      '+Inf': 1,
    });
    for (const name of namesIn(observation.registry as Registry)) expect(name).toMatch(/^shop_/);
  });
});

describe('the registry', () => {
  it('is a new one, and never the global one', async () => {
    const [one, other] = [observe(new OrderProcessor()), observe(new OrderProcessor())];
    expect(one.registry).not.toBe(other.registry);
    expect(register.getMetricsAsArray()).toEqual([]);
    expect(one.contentType).toBe(Registry.PROMETHEUS_CONTENT_TYPE);
  });

  it("may be the host's, with metrics of its own", async () => {
    const registry = new Registry();
    new Gauge({ name: 'temperature', help: 'Of the room.', registers: [registry] }).set(21);
    const observation = observe(new OrderProcessor(), { registry });
    const text = await observation.metrics();
    expect(text).toContain('temperature 21');
    expect(text).toContain('order_processor_orders_accepted_total 0');
    observation.stop();
    expect(namesIn(registry)).toEqual(['temperature']);
  });

  it('may speak OpenMetrics', async () => {
    const registry = new Registry<OpenMetricsContentType>();
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
    const processor = new OrderProcessor();
    const observation = observe(processor, { registry });
    await processor.submit(order('a'));
    for (const _ of range(2)) {
      const text = await observation.metrics();
      expect(text).toContain(
        '# TYPE order_processor_orders_completed counter\norder_processor_orders_completed_total 1\n',
      );
      expect(text).toMatch(/# EOF\n$/);
    }
    expect(observation.contentType).toBe(Registry.OPENMETRICS_CONTENT_TYPE);
    observation.stop();
    expect(registry.getMetricsAsArray()).toEqual([]);
  });

  it('with a metric of one of the names: a clear error, and nothing is left half registered', () => {
    for (const taken of [
      'orders_accepted_total',
      'orders_waiting',
      'storage_call_duration_seconds',
    ]) {
      const registry = new Registry();
      const name = `order_processor_${taken}`;
      const theirs = new Counter({ name, help: 'Theirs.', registers: [registry] });
      const processor = new OrderProcessor();
      const on = vi.spyOn(processor, 'on');
      let thrown: unknown;
      try {
        observe(processor, { registry });
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toBeInstanceOf(TypeError);
      const { message, cause } = thrown as Error;
      expect(message).toBe(
        'Expected `registry` to have none of the metrics yet: give the processor another `prefix`, ' +
          `got \`"${name}"\``,
      );
      expect((cause as Error).message).toMatch(/already been registered/);
      expect(registry.getMetricsAsArray()).toEqual([theirs]);
      expect(on).not.toHaveBeenCalled();
    }
  });
});

describe('several processors', () => {
  it('observed twice in one registry: a clear error, and the first goes on', async () => {
    const registry = new Registry();
    const processor = new OrderProcessor();
    const first = observe(processor, { registry });
    for (const again of [processor, new OrderProcessor()]) {
      expect(() => observe(again, { registry })).toThrow(
        new TypeError(
          'Expected `registry` to have no processor with this `prefix` and these `labels` yet: ' +
            'give it others, or stop the other observation, got `"order_processor_"`',
        ),
      );
    }
    await processor.submit(order('a'));
    const at = await scrape(first);
    expect(at.value('orders_completed_total')).toBe(1);
    expect(at.histogram('order_wait_seconds').count).toBe(1);
  });

  it('have prefixes of their own', async () => {
    const registry = new Registry();
    const [one, other] = [new OrderProcessor(), new OrderProcessor()];
    observe(one, { registry, prefix: 'one_' });
    const second = observe(other, { registry, prefix: 'other_' });
    await one.submit(order('a'));
    expect(
      (await scrape({ metrics: () => registry.metrics() }, 'one_')).value('orders_completed_total'),
    ).toBe(1);
    second.stop();
    expect(namesIn(registry).every((name) => name.startsWith('one_'))).toBe(true);
    expect(namesIn(registry)).not.toEqual([]);
  });

  it('or labels of their own, and each goes when it is stopped', async () => {
    const registry = new Registry();
    const see = (name: string): Seen => {
      const processor = new OrderProcessor();
      const labels = { processor: name, zone: 'eu' };
      return { processor, labels, observation: observe(processor, { registry, labels }) };
    };
    const [one, other] = [see('p"0\n'), see('p"1\n')];
    for (const id of ['a', 'b']) await one.processor.submit(order(id));
    await other.processor.submit(order('c'));
    await codeOf(other.processor.submit(order('d', '')));
    const both = await scrape(one.observation);
    const seen = (at: typeof both, { labels }: Seen) => [
      at.value('orders_completed_total', labels),
      at.value('storage_up', labels),
      at.value('orders_refused_total', { ...labels, code: 'invalid_order' }),
      at.histogram('order_wait_seconds', labels).count,
      at.histogram('order_duration_seconds', { ...labels, outcome: 'completed' }).count,
    ];
    expect(seen(both, one)).toEqual([2, 1, 0, 2, 2]);
    expect(seen(both, other)).toEqual([1, 1, 1, 1, 1]);
    one.observation.stop();
    one.observation.stop();
    const left = await scrape(other.observation);
    expect(seen(left, one)).toEqual([undefined, undefined, undefined, 0, 0]);
    expect(seen(left, other)).toEqual([1, 1, 1, 1, 1]);
    expect(left.labelValues.has('p"0\n')).toBe(false);
    other.observation.stop();
    expect(registry.getMetricsAsArray()).toEqual([]);
  });

  it('under one prefix must have labels of the same names, and the same buckets', () => {
    const registry = new Registry();
    const processor = new OrderProcessor();
    observe(processor, { registry, labels: { zone: 'eu' } });
    const before = namesIn(registry);
    for (const labels of [{}, { zone: 'us', processor: 'a' }]) {
      expect(() => observe(new OrderProcessor(), { registry, labels })).toThrow(
        /^Expected `labels` to have the names that the other processor with this `prefix` has \(zone\), got `/,
      );
    }
    expect(() =>
      observe(new OrderProcessor(), { registry, labels: { zone: 'us' }, buckets: { wait: [1] } }),
    ).toThrow(
      /^Expected `buckets` to be the same as of the other processor with this `prefix`, got `/,
    );
    expect(namesIn(registry)).toEqual(before);
    observe(new OrderProcessor(), { registry, labels: { zone: 'us' } });
  });
});

interface Seen {
  readonly processor: OrderProcessor;
  readonly labels: Record<string, string>;
  readonly observation: ReturnType<typeof observe>;
}

describe('stop', () => {
  it('leaves neither listeners nor metrics, and the processor may be observed anew', async () => {
    const processor = new OrderProcessor();
    const [on, off] = [vi.spyOn(processor, 'on'), vi.spyOn(processor, 'off')];
    const registry = new Registry();
    const { stop, metrics } = observe(processor, { registry });
    await processor.submit(order('a'));
    stop();
    expect(off.mock.calls).toEqual(on.mock.calls);
    expect(on.mock.calls.length).toBeGreaterThan(0);
    expect(registry.getMetricsAsArray()).toEqual([]);
    expect((await metrics()).trim()).toBe('');
    const again = observe(processor, { registry });
    stop();
    await processor.submit(order('b'));
    const at = await scrape(again);
    expect(at.value('orders_completed_total')).toBe(2);
    expect(at.histogram('order_wait_seconds').count).toBe(1);
  });

  it('takes nothing away that the host has put there since', () => {
    const registry = new Registry();
    const { stop } = observe(new OrderProcessor(), { registry });
    registry.clear();
    const name = 'order_processor_orders_waiting';
    const theirs = new Gauge({ name, help: 'Theirs.', registers: [registry] });
    stop();
    expect(registry.getMetricsAsArray()).toEqual([theirs]);
  });
});

it('invariant 8: a metric whose prom-client throws hurts no order', async () => {
  const processor = new OrderProcessor();
  const errors: string[] = [];
  processor.on('error', ({ code }) => errors.push(code));
  const { registry } = observe(processor);
  const histogram = registry.getSingleMetric('order_processor_order_wait_seconds');
  Object.defineProperty(histogram, 'hashMap', {
    get() {
      throw new Error('broken');
    },
  });
  const receipt = await processor.submit(order('a'));
  expect(receipt.balance).toBe(1);
  expect(errors).toEqual(['internal']);
});

describe('with SqliteStorage', () => {
  const folder = useFolder();

  it('shows how many orders the calls took in, accepting and settling', async () => {
    const processor = new OrderProcessor({
      storage: await folder.open(),
      steps: [
        {
          name: 'work',
          run: ({ id }) => (id === 'o-7' ? Promise.reject({ code: 'seven' }) : undefined),
        },
      ],
    });
    await processor.ready;
    const observation = observe(processor);
    await processor.submitMany(range(30).map((index) => order(`o-${index}`, `u-${index % 5}`)));
    await processor.shutdown();
    const at = await scrape(observation);
    expect(at.value('orders_accepted_total')).toBe(30);
    expect(at.value('orders_completed_total')).toBe(29);
    expect(at.by('code', 'orders_failed_total')).toEqual({ seven: 1 });
    for (const operation of ['accept', 'settle']) {
      const batch = at.histogram('storage_batch_size', { operation });
      const call = at.histogram('storage_call_duration_seconds', { operation });
      expect(batch.sum).toBeGreaterThanOrEqual(30);
      expect([operation, call.count]).toEqual([operation, batch.count]);
      expect(call.sum).toBeGreaterThan(0);
    }
    const duration = at.histogram('order_duration_seconds', { outcome: 'failed' });
    expect(duration.count).toBe(1);
  });
});
