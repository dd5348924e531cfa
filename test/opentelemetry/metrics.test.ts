/** The metrics beside those of the conventions: what dashboards made for Prometheus need. */
import { DataPointType, type MetricData } from '@opentelemetry/sdk-metrics';
import { OrderError, OrderProcessor, refuse, type Step } from 'order-processor';
import { instrument } from 'order-processor/opentelemetry';
import { observe } from 'order-processor/prometheus';
import { type MetricObjectWithValues, type MetricValue, Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { codeOf, range } from '../kit/helpers.ts';
import { useFolder } from '../sqlite/helpers.ts';
import { CollectedMetrics } from './collected-metrics.ts';
import { TracedProcess } from './traced-process.ts';

const folder = useFolder();

const order = (id: string, userId = 'u', amount = 1) => ({ id, userId, amount });

const flaky: Step = {
  name: 'flaky',
  retry: { attempts: 2, delayMs: 1 },
  run: ({ id }, { attempt }) => {
    if (id.startsWith('twice') && attempt === 1) throw new OrderError('busy', 'Busy');
    if (id.startsWith('never')) throw new OrderError('sold_out', 'Sold out', { retryable: false });
  },
  compensate: () => {},
};

/** Each value under its name and its labels: the lines of Prometheus. */
type Lines = Record<string, number>;

const lineOf = (name: string, labels: object): string =>
  `${name} ${JSON.stringify(Object.entries(labels).sort())}`;

async function linesOfPrometheus(registry: Registry): Promise<Lines> {
  const all = (await registry.getMetricsAsJSON()) as MetricObjectWithValues<MetricValue<string>>[];
  return Object.fromEntries(
    all.flatMap(({ name, values }) =>
      values.map((value) => {
        const { metricName = name } = value as { metricName?: string };
        return [lineOf(metricName, value.labels), value.value];
      }),
    ),
  );
}

function linesOf(metrics: Iterable<MetricData>): Lines {
  const lines: Lines = {};
  for (const { descriptor, dataPoints } of metrics) {
    const { name } = descriptor;
    if (!name.startsWith('order_processor_')) continue;
    for (const { attributes, value } of dataPoints) {
      if (typeof value === 'number') {
        lines[lineOf(name, attributes)] = value;
        continue;
      }
      const {
        buckets,
        sum = Number.NaN,
        count,
      } = value as {
        buckets: { boundaries: number[]; counts: number[] };
        sum?: number;
        count: number;
      };
      lines[lineOf(`${name}_sum`, attributes)] = sum;
      lines[lineOf(`${name}_count`, attributes)] = count;
      let below = 0;
      for (const [at, of] of buckets.counts.entries()) {
        below += of;
        const le = buckets.boundaries[at] ?? '+Inf';
        lines[lineOf(`${name}_bucket`, { ...attributes, le })] = below;
      }
    }
  }
  return lines;
}

it('invariant 11: has each line that a scrape of Prometheus has, with the same value', async () => {
  await using metrics = new CollectedMetrics();
  const registry = new Registry();
  await using processor = new OrderProcessor({
    storage: await folder.open(),
    steps: [flaky],
    rules: [({ amount }) => amount > 1_000 && refuse('too_much', 'Too much')],
    minBalance: -100,
  });
  observe(processor, { registry });
  using _ = instrument(processor, { meterProvider: metrics.provider });
  await Promise.all([
    ...range(20).map((at) => processor.submit(order(`twice-${at}`, `u-${at % 7}`))),
    ...range(5).map((at) => codeOf(processor.submit(order(`never-${at}`)))),
    codeOf(processor.submit(order('greedy', 'u', 5_000))),
    codeOf(processor.submit(order('poor', 'u-1', -5_000))),
  ]);
  await processor.submit(order('twice-1', 'u-1'));
  const expected = await linesOfPrometheus(registry);
  const found = linesOf((await metrics.read()).values());
  expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort());
  for (const [line, value] of Object.entries(expected)) {
    expect([line, found[line]]).toEqual([line, expect.closeTo(value, 9)]);
  }
  expect(found[lineOf('order_processor_step_retries_total', { step: 'flaky' })]).toBe(20);
});

it('says the unit that the name ends with, so that exporters do not add one', async () => {
  await using metrics = new CollectedMetrics();
  await using processor = new OrderProcessor();
  using _ = instrument(processor, { meterProvider: metrics.provider });
  await processor.submit(order('o-1'));
  for (const { descriptor } of (await metrics.read()).values()) {
    const { name, unit, description } = descriptor;
    expect(description).toMatch(/^[A-Z].{10,}\.$/);
    if (!name.startsWith('order_processor_')) continue;
    const ending = name.endsWith('_seconds') ? 's' : name.endsWith('_bytes') ? 'By' : undefined;
    expect([name, unit]).toEqual([name, ending ?? expect.stringMatching(/^\{[a-z]+\}$/)]);
  }
});

/** The name that Prometheus gives a metric that comes over OTLP, by its default translation. */
function translated({ descriptor, ...metric }: MetricData): string {
  const { unit } = descriptor;
  const plain = descriptor.name.replaceAll(/[^A-Za-z0-9_:]+/g, '_');
  const words = plain.split('_').filter((word) => word !== '');
  const isCounter = 'isMonotonic' in metric && metric.isMonotonic;
  const units: Record<string, string> = { s: 'seconds', ms: 'milliseconds', By: 'bytes' };
  // What stands in braces is no unit.
  const unitWord = unit.startsWith('{') ? '' : (units[unit] ?? unit);
  if (unitWord !== '' && !words.includes(unitWord)) words.push(unitWord);
  if (unit === '1' && metric.dataPointType === DataPointType.GAUGE) words.push('ratio');
  const named = isCounter ? [...words.filter((word) => word !== 'total'), 'total'] : words;
  return named.join('_');
}

it('has the names of Prometheus also where a collector translates them, so that dashboards carry over', async () => {
  await using metrics = new CollectedMetrics();
  const registry = new Registry();
  await using processor = new OrderProcessor({ storage: await folder.open(), steps: [flaky] });
  observe(processor, { registry });
  using _ = instrument(processor, { meterProvider: metrics.provider });
  await Promise.all([
    processor.submit(order('twice')),
    codeOf(processor.submit(order('never'))),
    codeOf(processor.submit(order('', ''))),
  ]);
  const all = [...(await metrics.read()).values()];
  const own = all.filter(({ descriptor: { name } }) => name.startsWith('order_processor_'));
  const scraped = new Set(registry.getMetricsAsArray().map(({ name }) => name));
  expect(own.length).toBeGreaterThan(25);
  for (const metric of own) {
    const { name } = metric.descriptor;
    expect(scraped).toContain(name);
    expect(translated(metric)).toBe(name);
  }
  const conventional = all.filter((metric) => !own.includes(metric)).map(translated);
  expect(conventional.sort()).toEqual([
    'messaging_client_consumed_messages_total',
    'messaging_client_operation_duration_seconds',
    'messaging_client_sent_messages_total',
    'messaging_process_duration_seconds',
  ]);
});

it('tells processors apart by the attributes that they are given', async () => {
  await using metrics = new CollectedMetrics();
  await using eu = new OrderProcessor();
  await using us = new OrderProcessor();
  const meterProvider = metrics.provider;
  using _ = instrument(eu, { meterProvider, attributes: { region: 'eu' } });
  using __ = instrument(us, { meterProvider, attributes: { region: 'us' } });
  await eu.submit(order('o-1'));
  await Promise.all(range(2).map((at) => us.submit(order(`o-${at}`))));
  const completed = (await metrics.read()).get('order_processor_orders_completed_total');
  const byRegion = completed?.dataPoints.map(({ attributes, value }) => [attributes.region, value]);
  expect(byRegion?.sort()).toEqual([
    ['eu', 1],
    ['us', 2],
  ]);
});

it('invariant 6: has no user id and no payload in a label, and a bounded number of codes', async () => {
  await using metrics = new CollectedMetrics();
  await using processor = new OrderProcessor<string>({
    steps: [
      {
        name: 'charge',
        run: ({ id }) => {
          throw new OrderError(`code_${id}`, 'Declined', { retryable: false });
        },
      },
    ],
  });
  using _ = instrument(processor, { meterProvider: metrics.provider });
  const submit = (at: number) =>
    processor.submit({ id: `${at}`, userId: `user-${at}`, amount: 1, payload: 'secret' });
  await Promise.allSettled(range(300).map(submit));
  const all = [...(await metrics.read()).values()];
  const values = all.flatMap(({ dataPoints }) =>
    dataPoints.flatMap(({ attributes }) => Object.values(attributes)),
  );
  expect(values.filter((value) => /user-|secret/.test(String(value)))).toEqual([]);
  const codes = new Set(values.filter((value) => String(value).startsWith('code_')));
  expect(codes.size).toBe(100);
});

it('has nothing new once it is stopped, and stopping again does nothing', async () => {
  await using metrics = new CollectedMetrics();
  await using processor = new OrderProcessor();
  const { stop } = instrument(processor, { meterProvider: metrics.provider });
  await processor.submit(order('o-1'));
  stop();
  stop();
  await processor.submit(order('o-2'));
  const all = await metrics.read();
  expect(all.get('order_processor_orders_completed_total')?.dataPoints ?? []).toEqual([]);
  const durations = all.get('order_processor_order_duration_seconds')?.dataPoints[0];
  expect(durations?.value).toMatchObject({ count: 1 });
});

it('invariant 11: a meter that throws changes nothing, and the spans are whole', async () => {
  const throws = (): never => {
    throw new Error('The meter is broken');
  };
  const nothing = { record: throws, add: throws };
  const collecting: ((result: object) => void)[] = [];
  const meter = new Proxy(
    { addBatchObservableCallback: (callback: never) => collecting.push(callback) },
    { get: (own, name) => Reflect.get(own, name) ?? (() => nothing) },
  );
  const process = new TracedProcess();
  const errors: OrderError[] = [];
  const processor = new OrderProcessor({ storage: await folder.open(), steps: [flaky] });
  processor.on('error', (error) => errors.push(error));
  using _ = instrument(processor, {
    tracerProvider: process.provider,
    meterProvider: { getMeter: () => meter as never },
  });
  const receipt = processor.submit(order('twice'));
  for (const collect of collecting) expect(() => collect({ observe: throws })).toThrow('is broken');
  expect((await receipt).balance).toBe(1);
  await processor.shutdown();
  expect(collecting).toHaveLength(1);
  expect(errors).toEqual([]);
  expect(process.counted.ended).toHaveLength(5);
  expect(process.counted.started).toHaveLength(5);
});
