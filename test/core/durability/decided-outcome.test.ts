import { OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, deferred, errorOf, outcomeNow } from '../../kit/helpers.ts';
import { open } from '../../kit/kept/helpers.ts';
import { type Fate, KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = { id: 'a', userId: 'u', amount: 1 };
const deaf = deferred().promise;

/** Never ends by itself, and does not listen. */
const endless: Step = { name: 'endless', run: () => deaf };

function refundable(log: string[]): Step {
  return {
    name: 'pay',
    run: () => void log.push('pay'),
    compensate: () => void log.push('refund'),
  };
}

const failing: Step = {
  name: 'failing',
  run() {
    throw Object.assign(new Error('Sold out'), { code: 'sold_out' });
  },
};

/** The ways in which an order is certain to end badly while something of it runs. */
const ways: [code: string, steps: Step[], end: (processor: OrderProcessor) => unknown][] = [
  ['timeout', [endless], () => clock.advance(100)],
  ['canceled', [endless], (processor) => void processor.cancel('a')],
  ['sold_out', [endless, failing], () => {}],
];

describe.each(ways)('what ends with %s while a step runs', (code, steps, end) => {
  const options = { steps, timeoutMs: 100, stalledAfterMs: 10_000 };

  it('invariant 9: is recorded first, and then its callers are notified', async () => {
    const storage = new KeptStorage();
    const noting = deferred<Fate>();
    storage.fate = (method) => (method === 'settle' ? noting.promise : 'works');
    const processor = await open(storage, options);
    const submitted = codeOf(processor.submit(order));
    await clock.settle();
    await end(processor);
    await clock.settle();
    const outcome = code === 'canceled' ? 'canceled' : 'failed';
    expect(storage.log).toEqual(['accept a', `settle a:(${outcome})`]);
    expect(await outcomeNow(submitted)).toBe('pending');
    noting.resolve('works');
    await clock.settle();
    expect(await outcomeNow(submitted)).toBe(code);
    expect(storage.disk.find('a')).toMatchObject({ status: 'pending', decided: { outcome, code } });
    storage.cut();
  });

  it('invariant 9: ends with that outcome in the next process, without its steps', async () => {
    const storage = new KeptStorage();
    const first = await open(storage, options);
    const submitted = errorOf(first.submit(order));
    await clock.settle();
    await end(first);
    await clock.settle();
    const told = await outcomeNow(submitted);
    expect(told).toMatchObject({ code });
    storage.cut();

    const begun: string[] = [];
    const again = new KeptStorage(storage.disk);
    const processor = new OrderProcessor({
      storage: again,
      steps: [{ name: 'work', run: ({ id }) => void begun.push(id) }],
    });
    const { message, retryable } = told as Exclude<typeof told, 'pending'>;
    expect(await errorOf(processor.submit(order))).toMatchObject({ code, message, retryable });
    expect(begun).toEqual([]);
    expect(again.log).toEqual([`settle a:${code === 'canceled' ? 'canceled' : 'failed'}`]);
    expect(again.disk.find('a')).toMatchObject({ code, steps: [{ status: 'skipped' }] });
    expect(again.disk.get('u')).toBeUndefined();
    await processor.shutdown();
  });

  it('invariant 9: comes to that with everything compensated and nothing run again, where that can be', async () => {
    const storage = new KeptStorage();
    const log: string[] = [];
    const first = await open(storage, { ...options, steps: [refundable(log), ...steps] });
    const submitted = codeOf(first.submit(order));
    await clock.settle();
    await end(first);
    await clock.advance(200);
    expect(await outcomeNow(submitted)).toBe(code);
    storage.cut();
    log.length = 0;

    const again = new KeptStorage(storage.disk);
    const work: Step = { name: 'work', run: () => void log.push('work') };
    const processor = new OrderProcessor({ storage: again, steps: [refundable(log), work] });
    expect(await codeOf(processor.submit(order))).toBe(code);
    expect(log).toEqual(['refund']);
    const results = [{ status: 'skipped', compensation: { status: 'ok' } }, { status: 'skipped' }];
    expect(again.disk.find('a')).toMatchObject({ code, steps: results });
    expect(again.disk.get('u')).toBeUndefined();
    await processor.shutdown();
  });
});

describe('the outcome that callers got in an earlier process', () => {
  it('invariant 9: stays, though the order now ends in another way', async () => {
    const storage = new KeptStorage();
    const slow: Step = {
      name: 'slow',
      run: () => clock.sleep(50),
      compensate: () => clock.sleep(50),
    };
    const options = { steps: [slow], timeoutMs: 20, stalledAfterMs: 1_000 };
    const first = await open(storage, options);
    const submitted = codeOf(first.submit(order));
    await clock.settle();
    const canceled = first.cancel('a');
    await clock.settle();
    expect([await outcomeNow(canceled), await outcomeNow(submitted)]).toEqual([true, 'canceled']);
    storage.cut();

    const processor = new OrderProcessor({ storage: new KeptStorage(storage.disk), ...options });
    const again = codeOf(processor.submit(order));
    // Here it would time out.
    await clock.advance(25);
    expect(storage.disk.find('a')).toMatchObject({ decided: { code: 'canceled' } });
    await clock.runAll();
    expect(await outcomeNow(again)).toBe('canceled');
    expect(storage.disk.find('a')).toMatchObject({ status: 'canceled', code: 'canceled' });
    await processor.shutdown();
  });

  it('invariant 9: is not canceled any more', async () => {
    const storage = new KeptStorage();
    const options = { steps: [endless], timeoutMs: 20, stalledAfterMs: 1_000 };
    const first = await open(storage, options);
    const submitted = codeOf(first.submit(order));
    await clock.advance(20);
    expect(await outcomeNow(submitted)).toBe('timeout');
    storage.cut();
    const processor = new OrderProcessor({ storage: new KeptStorage(storage.disk), ...options });
    processor.pause();
    await processor.ready;
    const canceled = processor.cancel('a');
    await clock.settle();
    processor.resume();
    await clock.settle();
    expect(await outcomeNow(canceled)).toBe(false);
    expect(storage.disk.find('a')).toMatchObject({ status: 'failed', code: 'timeout' });
    await processor.shutdown();
  });
});

describe('a note that cannot be made', () => {
  it('invariant 10: is made when the storage works again; till then no caller is notified', async () => {
    const storage = new KeptStorage();
    const ended = deferred();
    const steps = [{ name: 'work', run: () => ended.promise }];
    const processor = await open(storage, { steps, timeoutMs: 20, stalledAfterMs: 10_000 });
    const submitted = codeOf(processor.submit(order));
    await clock.settle();
    storage.fate = () => 'rejects';
    await clock.advance(50);
    expect(await outcomeNow(submitted)).toBe('pending');
    storage.fate = () => 'works';
    await clock.advance(5_000);
    expect(await outcomeNow(submitted)).toBe('timeout');
    expect(storage.disk.find('a')).toMatchObject({ decided: { code: 'timeout' } });
    ended.resolve();
    await clock.settle();
    expect(storage.log.at(-1)).toBe('settle a:failed');
    expect(storage.disk.find('a')).toMatchObject({ status: 'failed', code: 'timeout' });
    await processor.shutdown();
  });

  it('is left out where the order is settled at the same time', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage, { steps: [failing] });
    expect(await codeOf(processor.submit(order))).toBe('sold_out');
    expect(storage.log).toEqual(['accept a', 'settle a:failed']);
    await processor.shutdown();
  });
});
