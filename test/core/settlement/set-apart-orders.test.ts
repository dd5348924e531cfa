import { expect, it } from 'vitest';
import { entryOf, Job } from '../../../src/core/lifecycle/job.ts';
import { nothingToDo } from '../../../src/core/order/decision.ts';
import { Clock } from '../../../src/core/runtime/clock.ts';
import { SetApartOrders } from '../../../src/core/settlement/set-apart-orders.ts';
import { Batch, newTimes, settlementOf } from '../../../src/core/settlement/settlement.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();

function batchOf(id: string, userId: string): Batch {
  const job = new Job(id, userId, 1, 1, undefined, []);
  job.acceptNow(new Clock());
  job.entry = entryOf(1);
  return new Batch([job], [settlementOf(job, nothingToDo, newTimes(), undefined)]);
}

it('invariant 4: an order that is set apart after the processor has closed is not tried again', async () => {
  let tries = 0;
  const suspects = new SetApartOrders(() => {
    tries += 1;
    if (tries === 3) suspects.close();
  });
  suspects.setApart(batchOf('a', 'u'));
  await clock.advance(10_000);
  expect(tries).toBe(3);
  suspects.setApart(batchOf('b', 'v'));
  await clock.advance(10_000);
  expect(tries).toBe(3);
});
