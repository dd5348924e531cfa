import fc from 'fast-check';
import { expect, it } from 'vitest';
import { InFlightOrders } from '../../../src/core/lifecycle/in-flight-orders.ts';
import { Job } from '../../../src/core/lifecycle/job.ts';
import { range } from '../../kit/helpers.ts';

function jobOf(id: string, acceptedAt = 0): Job {
  const job = new Job(id, 'u', 1, 1, undefined, []);
  job.acceptedAt = acceptedAt;
  return job;
}

it('holds what a `Map` would hold, through additions and deletions', () => {
  const action = fc.record({ isAdd: fc.boolean(), at: fc.nat({ max: 400 }) });
  const property = fc.property(fc.array(action, { maxLength: 600, size: 'max' }), (actions) => {
    // So few that orders of all ages are looked up.
    const index = new InFlightOrders({ mostNew: 32 });
    const model = new Map<string, Job>();
    for (const { isAdd, at } of actions) {
      const id = `order-${at}`;
      const known = model.get(id);
      if (isAdd && known === undefined) {
        const job = jobOf(id);
        model.set(id, job);
        index.add(job);
      } else if (!isAdd && known !== undefined) {
        model.delete(id);
        index.remove(known);
        index.remove(known);
      }
    }
    expect(index.size).toBe(model.size);
    for (const at of range(401)) {
      if (index.get(`order-${at}`) !== model.get(`order-${at}`)) expect.fail(`order-${at}`);
    }
    expect(new Set(index.all())).toEqual(new Set(model.values()));
  });
  fc.assert(property, { numRuns: 100 });
});

it('takes out nothing that is not in it', () => {
  const index = new InFlightOrders();
  index.add(jobOf('a'));
  index.remove(jobOf('a'));
  index.remove(jobOf('b'));
  expect(index.size).toBe(1);
  expect(index.get('a')?.id).toBe('a');
});

it('grows to a hundred thousand and back, and lists the oldest first', () => {
  const index = new InFlightOrders();
  const jobs = range(100_000).map((at) => jobOf(`order-${at}`, at));
  for (const job of jobs) index.add(job);
  expect(index.all()).toEqual(jobs);
  for (const job of jobs) {
    if (index.get(job.id) !== job) expect.fail(job.id);
    index.remove(job);
  }
  expect(index.size).toBe(0);
  expect(index.all()).toEqual([]);
});
