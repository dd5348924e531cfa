/** A process that was stopped, and goes on, may come to a step before it hears that it has lost its partitions. */
import { OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { AskedStorage } from '../../kit/asked-storage.ts';
import { SharedDatabase } from '../../kit/shared-database.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = (id: string) => ({ id, userId: id, amount: 5 });

/** Two processors of one database that tells of no loss; the first one owns its partitions. */
function processors(steps: (at: number) => Step[]) {
  const database = new SharedDatabase(2, () => clock.sleep(1), { hidesLoss: true });
  const storages = [new AskedStorage(database), new AskedStorage(database)] as const;
  const [a, b] = storages.map(
    (storage, at) => new OrderProcessor({ storage, concurrency: 4, steps: steps(at) }),
  ) as [OrderProcessor, OrderProcessor];
  const give = (to: AskedStorage): void => {
    for (const partition of [0, 1]) {
      database.take(partition);
      database.give(partition, to);
    }
  };
  give(storages[0]);
  const end = async (): Promise<void> => {
    const over = Promise.all([a.shutdown(), b.shutdown()]);
    await clock.runAll();
    await over;
  };
  return { a, b, storages, give, end };
}

describe('invariant 12: once the storage says that the processor may own nothing', () => {
  it('no next step begins', async () => {
    const ran: string[] = [];
    const { a, storages, give, end } = processors((at) => [
      {
        name: 'first',
        run: async ({ id }) => {
          ran.push(`${id} first@${at}`);
          await clock.sleep(20);
        },
      },
      { name: 'second', after: ['first'], run: ({ id }) => void ran.push(`${id} second@${at}`) },
    ]);
    const receipt = a.submit(order('o'));
    await clock.advance(15);
    give(storages[1]);
    await clock.advance(200);
    expect(ran).toEqual(['o first@0', 'o first@1', 'o second@1']);
    expect(storages[0].asked).toEqual({ count: 2, refusals: 1 });
    expect((await receipt).balance).toBe(5);
    expect(a.stats()).toMatchObject({ unsettled: 0, activeWorkers: 0 });
    await end();
  });

  it('no order begins, what runs is aborted, and permits of steps are free again', async () => {
    const ran: string[] = [];
    const aborted: string[] = [];
    const { a, storages, give, end } = processors((at) => [
      {
        name: 'work',
        concurrency: 1,
        run: async ({ id }) => {
          ran.push(`${id}@${at}`);
          await clock.sleep(20);
        },
      },
      {
        name: 'beside',
        run: async ({ id }, { signal }) => {
          signal.addEventListener('abort', () => aborted.push(`${id}@${at}`));
          await clock.sleep(500);
        },
      },
    ]);
    const all = ['o', 'p', 'q'].map((id) => a.submit(order(id)));
    await clock.advance(15);
    give(storages[1]);
    // The next order gets the permit of the first one, and is refused with all others.
    await clock.advance(2_000);
    expect(ran.filter((each) => each.endsWith('@0'))).toHaveLength(1);
    expect([...new Set(ran)]).toHaveLength(4);
    expect(ran).toHaveLength(4);
    expect(aborted.sort()).toEqual(['o@0', 'p@0', 'q@0']);
    give(storages[0]);
    const last = a.submit(order('r'));
    await clock.advance(2_000);
    expect(ran.at(-1)).toBe('r@0');
    for (const each of [...all, last]) expect((await each).balance).toBe(5);
    await end();
  });

  it('no attempt is repeated, and no step is compensated', async () => {
    const ran: string[] = [];
    const { a, storages, give, end } = processors((at) => [
      {
        name: 'paid',
        run: () => {},
        compensate: ({ id }) => void ran.push(`${id} back@${at}`),
      },
      {
        name: 'sent',
        after: ['paid'],
        retry: { attempts: 2, delayMs: 20 },
        run: ({ id }, { attempt }) => {
          ran.push(`${id} ${attempt}@${at}`);
          throw Object.assign(new Error('No'), { code: 'declined' });
        },
      },
      {
        name: 'late',
        run: async ({ id }) => {
          if (id === 'fails') await clock.sleep(20);
          if (id === 'fails') throw Object.assign(new Error('No'), { code: 'declined' });
        },
      },
    ]);
    const codes = ['retries', 'fails'].map((id) => a.submit(order(id)).catch(({ code }) => code));
    await clock.advance(10);
    give(storages[1]);
    await clock.advance(2_000);
    expect(await Promise.all(codes)).toEqual(['declined', 'declined']);
    expect(ran.filter((each) => each.endsWith('@0'))).toEqual(['retries 1@0', 'fails 1@0']);
    expect(ran).toContain('retries back@1');
    expect(ran).toContain('fails back@1');
    await end();
  });

  it('no failed compensation is tried again: the next owner does it', async () => {
    const ran: string[] = [];
    let works = false;
    const paid = (name: string, at: number): Step => ({
      name,
      run: () => {},
      compensate: async () => {
        ran.push(`${name}@${at}`);
        if (!works) throw new Error('Not now');
        await clock.sleep(20);
      },
    });
    const declined = (): never => {
      throw Object.assign(new Error('No'), { code: 'declined' });
    };
    const { a, b, storages, give, end } = processors((at) => [
      paid('paid', at),
      { ...paid('packed', at), after: ['paid'] },
      { name: 'sent', after: ['packed'], run: declined },
    ]);
    const failed = a.submit(order('o')).catch(({ code }) => code);
    await clock.advance(100);
    expect([await failed, ...ran.splice(0)]).toEqual(['declined', 'packed@0', 'paid@0']);
    works = true;
    const compensated = a.compensate('o');
    await clock.advance(15);
    expect(ran).toEqual(['packed@0']);
    give(storages[1]);
    await clock.advance(5_000);
    expect(ran).toEqual(['packed@0', 'packed@1', 'paid@1']);
    for (const { steps } of [await compensated, (await b.order('o')) ?? { steps: [] }]) {
      const statuses = steps.slice(0, 2).map(({ compensation }) => compensation?.status);
      expect(statuses).toEqual(['ok', 'ok']);
    }
    await end();
  });
});
