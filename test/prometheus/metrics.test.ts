/** What a scrape says of runs whose ends are known. */
import {
  type BalanceStorage,
  isOrderError,
  OrderError,
  OrderProcessor,
  refuse,
  type Step,
} from 'order-processor';
import { observe } from 'order-processor/prometheus';
import { describe, expect, it, vi } from 'vitest';
import { codeOf, deferred, range } from '../kit/helpers.ts';
import { fatesOf, keepFirst, open } from '../kit/kept/helpers.ts';
import { KeptStorage } from '../kit/kept-storage.ts';
import { SharedDatabase } from '../kit/shared-database.ts';
import { SharedStorage } from '../kit/shared-storage.ts';
import { useVirtualClock } from '../kit/virtual-clock.ts';
import { scrape } from './helpers.ts';

const clock = useVirtualClock();
const order = (id: string, userId = 'u', amount = 1) => ({ id, userId, amount });

/** Every metric, and what it is. */
const types = {
  orders_accepted_total: 'COUNTER',
  orders_refused_total: 'COUNTER',
  orders_duplicate_total: 'COUNTER',
  orders_recovered_total: 'COUNTER',
  orders_completed_total: 'COUNTER',
  orders_failed_total: 'COUNTER',
  orders_canceled_total: 'COUNTER',
  step_retries_total: 'COUNTER',
  compensation_retries_total: 'COUNTER',
  storage_failures_total: 'COUNTER',
  orders_waiting: 'GAUGE',
  orders_unsettled: 'GAUGE',
  orders_scheduled: 'GAUGE',
  orders_stalled: 'GAUGE',
  lanes_held: 'GAUGE',
  orders_held: 'GAUGE',
  oldest_hold_seconds: 'GAUGE',
  oldest_wait_seconds: 'GAUGE',
  waiting_callers: 'GAUGE',
  workers_active: 'GAUGE',
  storage_up: 'GAUGE',
  storage_file_bytes: 'GAUGE',
  storage_log_bytes: 'GAUGE',
  cluster_member: 'GAUGE',
  cluster_processors: 'GAUGE',
  cluster_partitions_owned: 'GAUGE',
  cluster_partitions_free: 'GAUGE',
  cluster_backlog: 'GAUGE',
  cluster_oldest_wait_seconds: 'GAUGE',
  cluster_oldest_beat_seconds: 'GAUGE',
  cluster_age_seconds: 'GAUGE',
  recovering: 'GAUGE',
  paused: 'GAUGE',
  order_wait_seconds: 'HISTOGRAM',
  order_duration_seconds: 'HISTOGRAM',
  step_duration_seconds: 'HISTOGRAM',
  compensation_duration_seconds: 'HISTOGRAM',
  storage_batch_size: 'HISTOGRAM',
  storage_call_duration_seconds: 'HISTOGRAM',
};

it('has a HELP and a TYPE for every metric, before anything has happened too', async () => {
  const { metrics } = await scrape(observe(new OrderProcessor()));
  expect(Object.fromEntries([...metrics].map(([name, { type }]) => [name, type]))).toEqual(types);
  for (const { name, help } of metrics.values())
    expect([name, help]).toEqual([name, expect.stringMatching(/^[A-Z].{10,}\.$/)]);
});

it('follows the naming rules of Prometheus', () => {
  for (const [name, type] of Object.entries(types)) {
    expect([name, name.endsWith('_total')]).toEqual([name, type === 'COUNTER']);
    expect(name).toMatch(/^[a-z][a-z_]*$/);
    expect(name).not.toMatch(/_ms$|millis/);
  }
});

it('says which lanes are held, and for how long', async () => {
  const processor = new OrderProcessor();
  const observation = observe(processor);
  await processor.hold('u');
  const waiting = codeOf(processor.submit(order('a')));
  await clock.advance(2_000);
  const scraped = await scrape(observation);
  const names = ['lanes_held', 'orders_held', 'oldest_hold_seconds'];
  expect(names.map((name) => scraped.value(name))).toEqual([1, 1, 2]);
  await processor.shutdown();
  expect(await waiting).toBe('canceled');
});

describe('orders', () => {
  it('are counted by what became of them, and by code', async () => {
    const processor = new OrderProcessor({
      minBalance: 0,
      capacity: 3,
      rules: [({ userId }) => userId === 'blocked' && refuse('user_blocked')],
      steps: [
        {
          name: 'work',
          run({ id }) {
            if (id.startsWith('declined')) throw { code: 'payment_declined' };
            if (id.startsWith('broken')) throw new Error('a bug');
          },
        },
      ],
    });
    const observation = observe(processor);
    for (const id of ['a', 'b', 'declined-1', 'declined-2', 'broken']) {
      await codeOf(processor.submit(order(id)));
    }
    await codeOf(processor.submit(order('poor', 'v', -1)));
    await codeOf(processor.submit(order('a')));
    await codeOf(processor.submit(order('a', 'u', 2)));
    await codeOf(processor.submit(order('c', 'blocked')));
    await codeOf(processor.submit(order('d', '')));
    processor.pause();
    const waiting = range(3).map((index) => codeOf(processor.submit(order(`w-${index}`))));
    await codeOf(processor.submit(order('w-3')));
    expect(await processor.cancel('w-1')).toBe(true);
    const at = await scrape(observation);
    expect(at.value('orders_accepted_total')).toBe(9);
    expect(at.value('orders_completed_total')).toBe(2);
    expect(at.value('orders_canceled_total')).toBe(1);
    expect(at.value('orders_duplicate_total')).toBe(1);
    expect(at.by('code', 'orders_failed_total')).toEqual({
      payment_declined: 2,
      internal: 1,
      insufficient_funds: 1,
    });
    expect(at.by('code', 'orders_refused_total')).toEqual({
      order_conflict: 1,
      user_blocked: 1,
      invalid_order: 1,
      queue_full: 1,
    });
    // The first time shows as an increase only if there was a 0 before.
    expect(at.value('orders_failed_total', { code: 'timeout' })).toBe(0);
    expect(at.value('orders_refused_total', { code: 'shut_down' })).toBe(0);
    processor.resume();
    await clock.runAll();
    await Promise.all(waiting);
  });

  it('that wait, run and hold their users are seen as of the scrape', async () => {
    const end = deferred();
    const processor = new OrderProcessor({
      concurrency: 2,
      stalledAfterMs: 500,
      steps: [{ name: 'work', run: () => end.promise }],
    });
    processor.on('stalled', () => {});
    const observation = observe(processor);
    const submitted = range(5).map((index) => processor.submit(order(`o-${index}`, `u-${index}`)));
    await clock.advance(2_500);
    const during = await scrape(observation);
    const gauges = (of: typeof during) =>
      [
        'orders_waiting',
        'orders_unsettled',
        'workers_active',
        'orders_stalled',
        'oldest_wait_seconds',
      ].map((name) => of.value(name));
    expect(gauges(during)).toEqual([3, 5, 2, 2, 2.5]);
    expect(during.value('orders_accepted_total')).toBe(5);
    end.resolve();
    await clock.runAll();
    await Promise.all(submitted);
    expect(gauges(await scrape(observation))).toEqual([0, 0, 0, 0, 0]);
  });

  it('are timed with the failed and the canceled ones, but not those that never began', async () => {
    const processor = new OrderProcessor({
      steps: [
        {
          name: 'work',
          async run({ id }, { signal }) {
            await clock.sleep(200, signal);
            if (id === 'second') throw { code: 'declined' };
          },
        },
      ],
    });
    const observation = observe(processor);
    const ends = ['first', 'second', 'third', 'fourth'].map((id) =>
      codeOf(processor.submit(order(id))),
    );
    await clock.advance(450);
    void processor.cancel('third');
    void processor.cancel('fourth');
    await clock.runAll();
    expect(await Promise.all(ends)).toEqual(['completed', 'declined', 'canceled', 'canceled']);
    const at = await scrape(observation);
    const wait = at.histogram('order_wait_seconds');
    expect([wait.count, wait.sum]).toEqual([3, expect.closeTo(0.6, 6)]);
    expect(wait.buckets).toMatchObject({ '0.001': 1, '0.1': 1, '0.25': 2, '0.5': 3, '+Inf': 3 });
    for (const [outcome, sum] of [
      ['completed', 0.2],
      ['failed', 0.2],
      ['canceled', 0.05],
    ] as const) {
      const duration = at.histogram('order_duration_seconds', { outcome });
      expect([outcome, duration.count, duration.sum]).toEqual([outcome, 1, expect.closeTo(sum, 6)]);
    }
  });

  it("settled in the caller's call keep their short way", async () => {
    const processor = new OrderProcessor();
    const observation = observe(processor);
    const completed = vi.fn();
    processor.on('completed', completed);
    void processor.submit(order('a'));
    expect(completed).toHaveBeenCalledOnce();
    expect((await scrape(observation)).value('orders_completed_total')).toBe(1);
  });
});

describe('steps', () => {
  it('are timed by name and status, and retries and compensations counted', async () => {
    let tries = 0;
    let refunds = 0;
    const steps: Step[] = [
      {
        name: 'pay "now"\\\n',
        run: () => clock.sleep(30),
        compensate() {
          refunds += 1;
          if (refunds === 1) throw new Error('once more');
        },
        compensation: { retry: { attempts: 2, delayMs: 10, jitter: false } },
      },
      {
        name: 'vendor',
        retry: { attempts: 3, delayMs: 40, jitter: false },
        run() {
          tries += 1;
          if (tries < 3) throw new Error('The vendor does not answer');
        },
      },
      { name: 'courier', after: 'vendor', run: () => Promise.reject({ code: 'no_courier' }) },
      { name: 'mail', after: 'courier', run: () => {} },
    ];
    const processor = new OrderProcessor({ steps });
    const observation = observe(processor);
    const failed = codeOf(processor.submit(order('a')));
    await clock.runAll();
    expect(await failed).toBe('no_courier');
    const at = await scrape(observation);
    expect(at.by('step', 'step_retries_total')).toEqual({ vendor: 2 });
    const pay = 'pay "now"\\\n';
    expect(at.by('step', 'compensation_retries_total')).toEqual({ [pay]: 1 });
    const step = (name: string, status: string) => {
      const { count, sum } = at.histogram('step_duration_seconds', { step: name, status });
      return [count, sum];
    };
    expect(step(pay, 'ok')).toEqual([1, expect.closeTo(0.03, 6)]);
    expect(step('vendor', 'ok')).toEqual([1, expect.closeTo(0.12, 6)]);
    expect(step('courier', 'error')).toEqual([1, 0]);
    // What never began took no time.
    expect(
      at.samples('step_duration_seconds_count').filter(({ labels }) => labels?.step === 'mail'),
    ).toEqual([]);
    const compensation = at.histogram('compensation_duration_seconds', { step: pay, status: 'ok' });
    expect([compensation.count, compensation.sum]).toEqual([1, expect.closeTo(0.01, 6)]);
  });

  it('leaves the warning of a compensation that failed to those who have no listener', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const processor = new OrderProcessor({
      steps: [
        { name: 'pay', run() {}, compensate: () => Promise.reject(new Error('no')) },
        { name: 'ship', after: 'pay', run: () => Promise.reject({ code: 'declined' }) },
      ],
    });
    const observation = observe(processor);
    const failed = codeOf(processor.submit(order('a')));
    await clock.runAll();
    expect(await failed).toBe('declined');
    const { count } = (await scrape(observation)).histogram('compensation_duration_seconds', {
      step: 'pay',
      status: 'error',
    });
    expect(count).toBe(1);
    expect(warn).toHaveBeenCalledOnce();
    warn.mockRestore();
  });
});

describe('the storage', () => {
  it('shows the size and the time of its calls, and those that failed', async () => {
    let isFull = true;
    const storage: BalanceStorage = {
      get: () => 0,
      async apply(changes) {
        await clock.sleep(40);
        if (isFull && changes.some(({ orderId }) => orderId === 'bad')) {
          throw new Error('disk full');
        }
        return changes.map(({ amount }) => ({ balance: amount }));
      },
    };
    const processor = new OrderProcessor({ storage });
    const sizes: number[] = [];
    processor.on('stored', ({ size }) => sizes.push(size));
    const observation = observe(processor);
    const many = processor.submitMany(range(50).map((index) => order(`o-${index}`, `u-${index}`)));
    await clock.runAll();
    await many;
    const bad = codeOf(processor.submit(order('bad')));
    await clock.advance(40);
    expect(await bad).toBe('storage_failed');
    const at = await scrape(observation);
    const batch = at.histogram('storage_batch_size', { operation: 'settle' });
    expect([batch.count, batch.sum]).toEqual([sizes.length, 51]);
    const call = at.histogram('storage_call_duration_seconds', { operation: 'settle' });
    expect([call.count, call.sum]).toEqual([sizes.length, expect.closeTo(0.04 * sizes.length, 6)]);
    expect(call.buckets).toMatchObject({ '0.025': 0, '0.05': sizes.length });
    expect(at.by('operation', 'storage_failures_total')).toEqual({ settle: 1 });
    expect(at.value('storage_up')).toBe(0);
    isFull = false;
    await clock.runAll();
    const good = processor.submit(order('good'));
    await clock.runAll();
    await good;
    expect((await scrape(observation)).value('storage_up')).toBe(1);
  });

  it('is down while it can keep nothing, and up again after', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    const observation = observe(processor);
    storage.fate = () => 'rejects';
    const refused = codeOf(keepFirst(processor, order('a')));
    await clock.advance(1);
    expect(await refused).toBe('storage_failed');
    expect((await scrape(observation)).value('storage_up')).toBe(0);
    storage.fate = () => 'works';
    await clock.advance(10_000);
    const at = await scrape(observation);
    expect(at.value('storage_up')).toBe(1);
    expect(at.by('operation', 'storage_failures_total')).toEqual({ accept: 1 });
    expect(at.by('code', 'orders_refused_total')).toEqual({ storage_failed: 1 });
  });

  it('has no calls where it is a MemoryStorage', async () => {
    const processor = new OrderProcessor();
    const observation = observe(processor);
    await processor.submit(order('a'));
    expect((await scrape(observation)).samples('storage_batch_size_count')).toEqual([]);
  });

  it('shows the orders that an earlier process left, during their recovery and after it', async () => {
    const before = new KeptStorage();
    const first = await open(before, {
      steps: [{ name: 'work', run: () => new Promise(() => {}) }],
    });
    first.on('stalled', () => {});
    void codeOf(first.submit(order('a')));
    await clock.advance(1);
    before.isCut = true;
    const processor = new OrderProcessor({ storage: new KeptStorage(before.disk) });
    const observation = observe(processor);
    expect((await scrape(observation)).value('recovering')).toBe(1);
    await clock.runAll();
    const at = await scrape(observation);
    expect(at.value('recovering')).toBe(0);
    expect(at.value('orders_recovered_total')).toBe(1);
    expect(at.value('orders_accepted_total')).toBe(0);
    expect(at.value('orders_completed_total')).toBe(1);
  });
});

describe('a counter', () => {
  it('never falls, though an order turns out not to have been new', async () => {
    const disk = new KeptStorage();
    const first = await open(disk);
    await Promise.all([first.submit(order('a')), clock.runAll()]);
    await first.shutdown();
    const storage = new KeptStorage(disk.disk);
    // The storage says only when it is to settle the order that it knows it: till then it is not accepted.
    const gate = deferred<'works'>();
    storage.fate = (method) => (method === 'settle' ? gate.promise : 'works');
    const processor = await open(storage);
    const observation = observe(processor);
    const again = processor.submit(order('a'));
    await clock.advance(1);
    expect(processor.stats().accepted).toBe(0);
    expect((await scrape(observation)).value('orders_accepted_total')).toBe(0);
    gate.resolve('works');
    await clock.runAll();
    await again;
    expect(processor.stats()).toMatchObject({ accepted: 0, duplicates: 1 });
    expect((await scrape(observation)).value('orders_accepted_total')).toBe(0);
  });

  it('rises or stays from scrape to scrape', async () => {
    const storage = new KeptStorage();
    storage.fate = fatesOf('settle', 'works', 'rejects', 'works', 'fails late');
    const processor = await open(storage, {
      steps: [
        {
          name: 'work',
          run: ({ id }) => (id.endsWith('3') ? Promise.reject({ code: 'three' }) : undefined),
        },
      ],
    });
    const observation = observe(processor);
    let before: ReadonlyMap<string, number> = new Map();
    for (const round of range(12)) {
      void codeOf(processor.submit(order(`o-${round}`, `u-${round % 3}`)));
      void codeOf(processor.submit(order(`o-${round}`, '')));
      await clock.advance(7);
      const now = (await scrape(observation)).rising;
      for (const [key, value] of before) expect(now.get(key), key).toBeGreaterThanOrEqual(value);
      before = now;
    }
    const handedIn = [...before].filter(([key]) => /^orders_(accepted|refused)_total/.test(key));
    expect(handedIn.reduce((sum, [, count]) => sum + count, 0)).toBe(24);
    expect(before.get('storage_failures_total {"operation":"settle"}')).toBeGreaterThan(0);
  });
});

it('asks for stats once per scrape, and never in between', async () => {
  const processor = new OrderProcessor();
  const stats = vi.spyOn(processor, 'stats');
  const observation = observe(processor);
  await processor.submit(order('a'));
  expect(stats).not.toHaveBeenCalled();
  await observation.metrics();
  await observation.metrics();
  expect(stats).toHaveBeenCalledTimes(2);
});

it('answers after shutdown as before', async () => {
  const processor = new OrderProcessor();
  const observation = observe(processor);
  await processor.submit(order('a'));
  const closed = processor.shutdown();
  await clock.runAll();
  await closed;
  expect(await codeOf(processor.submit(order('b')))).toBe('shut_down');
  const at = await scrape(observation);
  expect(at.value('orders_completed_total')).toBe(1);
  expect(at.by('code', 'orders_refused_total')).toEqual({ shut_down: 1 });
});

describe('codes', () => {
  it('of rules and steps are counted by themselves up to 100, and the rest as `other`', async () => {
    const processor = new OrderProcessor({
      steps: [{ name: 'work', run: ({ id }) => Promise.reject({ code: `no_${id}` }) }],
    });
    const observation = observe(processor);
    for (const index of range(150)) await codeOf(processor.submit(order(`${index}`, `u${index}`)));
    await codeOf(processor.submit({ ...order('0', 'again'), id: '0' }));
    const at = await scrape(observation);
    const failed = at.by('code', 'orders_failed_total');
    expect(Object.keys(failed)).toHaveLength(101);
    expect(failed).toMatchObject({ no_0: 1, no_99: 1, other: 50 });
    expect(failed).not.toHaveProperty('no_100');
    // The library's own are not among them.
    expect(at.value('orders_failed_total', { code: 'timeout' })).toBe(0);
  });

  it('that are none, or no strings, become no label, and break nothing else', async () => {
    const hostile = (code: unknown): OrderError => {
      const error = new OrderError('declined', 'No');
      return Object.defineProperty(
        error,
        'code',
        typeof code === 'function' ? { get: code as () => string } : { value: code },
      );
    };
    const codes = [
      'u-1',
      'o-1"} 1\n# TYPE evil counter\nevil 1',
      '__proto__',
      '',
      7,
      null,
      () => {
        throw new Error('no code');
      },
    ];
    const processor = new OrderProcessor({
      rules: [
        (each) => {
          throw hostile(codes[Number(each.id)]);
        },
      ],
    });
    const errors: unknown[] = [];
    processor.on('error', (error) => errors.push(error));
    const observation = observe(processor);
    for (const index of codes.keys()) {
      const error = await processor
        .submit(order(`${index}`, 'u-1'))
        .catch((thrown: unknown) => thrown);
      expect(isOrderError(error)).toBe(true);
    }
    const at = await scrape(observation);
    const refused = at.by('code', 'orders_refused_total');
    expect(Object.values(refused).reduce((sum, count) => sum + count, 0)).toBe(codes.length);
    expect(Object.keys(refused).filter((code) => code !== 'internal' && code !== 'other')).toEqual(
      [],
    );
    expect(errors).toEqual([]);
  });
});

it('has no id in any label', async () => {
  const ids = range(40).map((index) => `order-${index}`);
  const processor = new OrderProcessor({
    rules: [({ userId }) => userId === 'user-3' && refuse('user_blocked')],
    steps: [
      {
        name: 'work',
        retry: { attempts: 2, delayMs: 1 },
        run({ id }) {
          if (id.endsWith('5'))
            throw Object.assign(new Error(id), { code: 'declined', orderId: id });
          if (id.endsWith('6')) throw new Error(id);
        },
        compensate() {},
      },
    ],
    storage: new KeptStorage(),
  });
  await clock.runAll();
  const observation = observe(processor);
  const ends = ids.map((id, index) => codeOf(processor.submit(order(id, `user-${index % 7}`))));
  void processor.cancel('order-39');
  await clock.runAll();
  await Promise.all(ends);
  const at = await scrape(observation);
  expect([...at.labelValues].sort()).toEqual(
    expect.arrayContaining(['declined', 'work', 'ok', 'settle', 'user_blocked']),
  );
  for (const value of at.labelValues) expect(value).not.toMatch(/order-|user-|@|\d/);
});

it('the sizes of a storage are there if it says them, and nothing fails if it lies', async () => {
  const sizes = new Map<string, () => unknown>([
    ['right', () => ({ fileBytes: 4_096, logBytes: 0 })],
    ['negative', () => ({ fileBytes: -1, logBytes: 0 })],
    ['partial', () => ({ fileBytes: 4_096 })],
    ['none', () => null],
    [
      'throws',
      () => {
        throw new Error('no sizes');
      },
    ],
  ]);
  for (const [name, answer] of sizes) {
    for (const storage of [new KeptStorage(), balances()]) {
      const host = Object.assign(storage, { sizes: answer }) as BalanceStorage;
      const at = await scrape(observe(new OrderProcessor({ storage: host })));
      const values = ['storage_file_bytes', 'storage_log_bytes'].map((each) => at.value(each));
      expect([name, values]).toEqual([
        name,
        name === 'right' ? [4_096, 0] : [undefined, undefined],
      ]);
    }
  }
});

it('the metrics of the cluster are there where several processors share the storage', async () => {
  const names = Object.keys(types).filter((name) => name.startsWith('cluster_'));
  const alone = await scrape(observe(new OrderProcessor()));
  expect(names.map((name) => alone.value(name))).toEqual(names.map(() => undefined));
  const storage = new SharedStorage(new SharedDatabase(4));
  const processor = (name: string, beatAgeMs: number) => ({
    ...{ name, isSelf: name === 'a', joinedAt: 0, beatAgeMs, partitions: 1 },
  });
  storage.cluster = () => ({
    ...{ ageMs: 2_000, isMember: true, processors: [processor('a', 10), processor('b', 500)] },
    ...{ partitions: 4, ownedPartitions: 1, freePartitions: 2, backlog: 7, oldestWaitMs: 3_000 },
  });
  const at = await scrape(observe(new OrderProcessor({ storage })));
  expect(names.map((name) => at.value(name))).toEqual([1, 2, 1, 2, 7, 3, 0.5, 2]);
});

function balances(): BalanceStorage {
  return { get: () => 0, apply: (changes) => changes.map(() => ({ balance: 0 })) };
}
