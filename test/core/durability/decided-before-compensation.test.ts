import { OrderError, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, deferred } from '../../kit/helpers.ts';
import { fatesOf, open } from '../../kit/kept/helpers.ts';
import { type Fate, KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = { id: 'a', userId: 'u', amount: -5 };

/** A payment provider that refuses a key once it is refunded, and a step that fails as often as the test says. */
function work(failures: number) {
  const log: string[] = [];
  const steps: Step[] = [
    {
      name: 'pay',
      run: () => void log.push('charge'),
      compensate: () => void log.push('refund'),
    },
    {
      name: 'ship',
      after: 'pay',
      run() {
        failures -= 1;
        if (failures >= 0) throw new OrderError('no_courier', 'Nobody is free');
      },
    },
  ];
  return { log, steps };
}

describe('an order whose steps are to be compensated', () => {
  it('invariant 3: does not complete after a restart, once a step was compensated', async () => {
    const storage = new KeptStorage();
    const { log, steps } = work(1);
    // The process is killed after the refund and before the settlement.
    storage.fate = fatesOf('settle', 'works', 'is killed before');
    const before = await open(storage, { steps });
    before.submit(order).catch(() => {});
    await clock.runAll();
    expect(log).toEqual(['charge', 'refund']);
    storage.cut();

    const after = await open(new KeptStorage(storage.disk), { steps });
    await clock.runAll();
    expect(await after.order('a')).toMatchObject({ status: 'failed', code: 'no_courier' });
    expect(log).toEqual(['charge', 'refund', 'refund']);
    expect(storage.disk.get('u')).toBeUndefined();
    await after.shutdown();
  });

  it('invariant 3: is compensated when its outcome is noted, and its caller is notified after that', async () => {
    const storage = new KeptStorage();
    const { log, steps } = work(1);
    const noting = deferred<Fate>();
    storage.fate = fatesOf('settle', noting.promise);
    const processor = await open(storage, { steps });
    const submitted = processor.submit(order).catch((error: OrderError) => error);
    await clock.settle();
    expect(storage.log).toEqual(['accept a', 'settle a:(failed)']);
    expect(log).toEqual(['charge']);
    noting.resolve('works');
    await clock.runAll();
    expect(log).toEqual(['charge', 'refund']);
    expect(storage.log.slice(2)).toEqual(['settle a:failed']);
    expect(await submitted).toMatchObject({ steps: [{ status: 'compensated' }, {}] });
    await processor.shutdown();
  });

  it('invariant 10: is compensated when the storage works again, where it failed to note the outcome', async () => {
    const storage = new KeptStorage();
    const { log, steps } = work(1);
    storage.fate = fatesOf('settle', 'rejects');
    const processor = await open(storage, { steps });
    const submitted = codeOf(processor.submit(order));
    await clock.settle();
    expect(log).toEqual(['charge']);
    await clock.runAll();
    expect(log).toEqual(['charge', 'refund']);
    expect(await submitted).toBe('no_courier');
    await processor.shutdown();
  });

  it('invariant 4: is left for the next start, where shutdown comes before its outcome is noted', async () => {
    const storage = new KeptStorage();
    const { log, steps } = work(9);
    storage.fate = fatesOf('settle', 'hangs');
    const processor = await open(storage, { steps });
    const submitted = codeOf(processor.submit(order));
    await clock.settle();
    const down = processor.shutdown({ timeoutMs: 50 });
    await clock.runAll();
    expect(await down).toMatchObject({ kept: 1 });
    expect(await submitted).toBe('shut_down');
    expect(log).toEqual(['charge']);
  });
});
