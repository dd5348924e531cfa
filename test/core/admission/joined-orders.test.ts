import { describe, expect, it } from 'vitest';
import { Job, type KnownOrder } from '../../../src/core/lifecycle/job.ts';
import { moveTo } from '../../../src/core/lifecycle/order-state.ts';
import type { OrderOutcome } from '../../../src/core/order/outcome.ts';
import { receiptOf } from '../../../src/core/order/receipt.ts';

const jobOf = (): Job => new Job('a', 'u', 1, 1, undefined, []);
const settled = Object.assign(jobOf(), { results: {} });
const times = { acceptedAt: 0, settledAt: 0 } as never;
const outcome: OrderOutcome = receiptOf(settled, 1, times, [], []);

function join(known: Job): Job {
  const job = jobOf();
  moveTo(job, 'joined');
  const order: KnownOrder = { status: 'in flight', job: known };
  job.join(order);
  return job;
}

describe('an order that has joined the order that has its id', () => {
  it('invariant 5: has the outcome of that one, for every caller', async () => {
    const known = jobOf();
    const first = known.promise();
    const job = jobOf();
    const second = job.promise();
    const third = job.outcome();
    moveTo(job, 'joined');
    job.join({ status: 'in flight', job: known });
    known.notify(outcome);
    expect(await Promise.all([first, second, third])).toEqual([outcome, outcome, outcome]);
    expect(job.isFollowed).toBe(false);
  });

  it('notifies a caller that waits until it is recorded once it is, and others before', () => {
    const known = jobOf();
    const job = jobOf();
    const log: string[] = [];
    job.follow({ notify: (_, isSettled) => void log.push(`early caller: ${isSettled}`) });
    job.follow({
      notify: (_, isSettled) => {
        if (isSettled) log.push('late caller');
        return isSettled;
      },
    });
    moveTo(job, 'joined');
    job.join({ status: 'in flight', job: known });
    known.notifyEarly(outcome);
    expect(log).toEqual(['early caller: false']);
    known.notify(outcome);
    expect(log).toEqual(['early caller: false', 'late caller']);
  });

  it('invariant 6: follows it no longer when its last caller has left', () => {
    const known = jobOf();
    const follower = { notify: () => undefined };
    for (let n = 0; n < 3; n += 1) {
      const job = jobOf();
      job.follow(follower);
      moveTo(job, 'joined');
      job.join({ status: 'in flight', job: known });
      expect(known.isFollowed).toBe(true);
      job.unfollow(follower);
      expect(known.isFollowed).toBe(false);
    }
  });

  it('invariant 6: follows it not at all when no caller waits for the outcome', () => {
    const known = jobOf();
    join(known);
    expect(known.isFollowed).toBe(false);
  });
});
