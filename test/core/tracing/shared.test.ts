import { OrderProcessor } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { deferred } from '../../kit/helpers.ts';
import { SharedDatabase } from '../../kit/shared-database.ts';
import { SharedStorage } from '../../kit/shared-storage.ts';
import { TraceWitness } from '../../kit/trace-witness.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const traceContext = {
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  tracestate: 'vendor=value',
};

describe('diagnostics channels where several processors share a storage', () => {
  it('invariants 9 and 12: an order has its trace context at the processor that owns it, and at the next', async () => {
    using witness = new TraceWitness();
    const database = new SharedDatabase(1, () => clock.sleep(1));
    const storages = [new SharedStorage(database), new SharedStorage(database)] as const;
    const isStuck = deferred();
    const steps = (at: number) =>
      witness.watch([{ name: 'work', run: () => (at === 0 ? isStuck.promise : at) }]);
    const [a, b] = storages.map(
      (storage, at) => new OrderProcessor({ storage, steps: steps(at) }),
    ) as [OrderProcessor, OrderProcessor];
    database.give(0, storages[0]);
    const receipt = b.submit({ id: 'o-1', userId: 'u', amount: 5, traceContext });
    await clock.advance(50);
    database.take(0);
    database.give(0, storages[1]);
    await clock.advance(50);
    isStuck.resolve();
    await clock.runAll();
    expect((await receipt).balance).toBe(5);
    const over = Promise.all([a.shutdown(), b.shutdown()]);
    await clock.runAll();
    await over;
    expect(witness.verdict()).toEqual([]);
    const submits = witness.of('order-processor:submit').map(({ message }) => message);
    expect(submits.map(({ processor, status }) => [processor === b, status])).toEqual([
      [true, 'accepted'],
    ]);
    const orders = witness.of('order-processor:order').map(({ message }) => ({
      by: message.processor === a ? 'a' : 'b',
      ...{ status: message.status, attempt: message.attempt, of: message.traceContext },
    }));
    expect(orders).toEqual([
      { by: 'a', status: 'kept', attempt: 1, of: traceContext },
      { by: 'b', status: 'completed', attempt: 2, of: traceContext },
    ]);
    const attempts = witness.of('order-processor:step').map(({ message }) => message);
    expect(attempts.map(({ status, attempt }) => [status, attempt])).toEqual([
      ['canceled', 1],
      ['ok', 2],
    ]);
  });
});
