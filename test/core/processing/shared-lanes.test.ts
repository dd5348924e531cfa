/** Holds, releases, compensations and retries where several processors share a storage. */
import { OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it, vi } from 'vitest';
import { SharedDatabase } from '../../kit/shared-database.ts';
import { SharedStorage } from '../../kit/shared-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = (id: string) => ({ id, userId: 'u', amount: 5 });
const codeOf = (error: { code?: string }) => error.code;

/** Processors of one database with one partition; the first one owns it. */
function processors(step: Partial<Step> = {}, count = 2) {
  const database = new SharedDatabase(1, () => clock.sleep(1));
  const storages = Array.from({ length: count }, () => new SharedStorage(database));
  const ran: string[] = [];
  const all = storages.map(
    (storage, at) =>
      new OrderProcessor({
        ...{ storage, concurrency: 4 },
        steps: [
          {
            name: 'work',
            run: async ({ id }) => {
              ran.push(`${id}@${at}`);
              await clock.sleep(5);
            },
            ...step,
          },
        ],
      }),
  );
  database.give(0, storages[0] as SharedStorage);
  const give = (to: number): void => {
    database.take(0);
    database.give(0, storages[to] as SharedStorage);
  };
  const end = async (): Promise<void> => {
    const over = Promise.all(all.map((each) => each.shutdown()));
    await clock.runAll();
    await over;
  };
  const [a, b] = all as [OrderProcessor, OrderProcessor];
  return { database, storages, all, a, b, ran, give, end };
}

/** The result of a call, after all that follows from it. */
async function endOf<T>(call: Promise<T>): Promise<T> {
  call.catch(() => {});
  await clock.advance(1_000);
  return call;
}

/** A step that fails until it may work. */
function failing(): { step: Partial<Step>; mayWork: () => void } {
  let works = false;
  const run = () => {
    if (!works) throw Object.assign(new Error('No'), { code: 'declined' });
  };
  return {
    step: { run, onFailure: 'hold' },
    mayWork: () => {
      works = true;
    },
  };
}

describe('where several processors share a storage', () => {
  it('invariant 1: after `hold` at any processor no order of the user begins anywhere, until its release', async () => {
    const { a, b, ran, give, end } = processors();
    await endOf(b.enqueue(order('o-1')));
    const events: string[] = [];
    a.on('held', ({ userId }) => events.push(`held ${userId}`));
    a.on('released', ({ userId }) => events.push(`released ${userId}`));
    const hold = await endOf(b.hold('u', { reason: 'Why' }));
    expect(hold).toMatchObject({ userId: 'u', reason: 'Why' });
    expect([a.stats().heldLanes, b.stats().heldLanes]).toEqual([1, 0]);
    await endOf(b.enqueue(order('o-2')));
    give(1);
    await endOf(a.enqueue(order('o-3')));
    expect(ran).toEqual(['o-1@0']);
    expect([a.stats().heldLanes, b.stats().heldLanes]).toEqual([0, 1]);
    expect((await a.holds()).holds).toEqual([hold]);
    expect(await endOf(a.hold('u'))).toEqual(hold);
    const released = await endOf(a.release('u'));
    expect(released).toMatchObject({ userId: 'u', reason: 'Why', action: undefined });
    await clock.advance(1_000);
    expect(ran).toEqual(['o-1@0', 'o-2@1', 'o-3@1']);
    expect(events).toEqual(['held u']);
    await end();
  });

  it.each(['retry', 'skip'] as const)(
    "a release with '%s' says what became of the failed order, wherever it is called; two at once release once",
    async (action) => {
      const { step, mayWork } = failing();
      const { a, b, end } = processors(step);
      const outcome = b.submit(order('o-1')).catch(codeOf);
      await clock.advance(1_000);
      expect((await b.holds()).holds).toMatchObject([{ orderId: 'o-1', code: 'declined' }]);
      await expect(endOf(b.release('u'))).rejects.toThrow(TypeError);
      await expect(endOf(b.release('u', action, { orderId: 'o-2' }))).rejects.toMatchObject({
        code: 'not_held',
      });
      mayWork();
      const both = [a, b].map((each) => each.release('u', action, { orderId: 'o-1' }));
      const results = await endOf(Promise.allSettled(both));
      const done = results.filter(({ status }) => status === 'fulfilled');
      expect(done).toMatchObject([{ value: { userId: 'u', orderId: 'o-1', action } }]);
      expect(results.find(({ status }) => status === 'rejected')).toMatchObject({
        reason: { code: 'not_held' },
      });
      if (action === 'retry') expect(await outcome).toMatchObject({ balance: 5 });
      else expect(await outcome).toBe('declined');
      await expect(endOf(a.release('u'))).rejects.toMatchObject({ code: 'not_held' });
      await end();
    },
  );

  it('invariant 9: a step that was compensated has another key at the next owner, also where its caller waits', async () => {
    const keys: string[] = [];
    let works = false;
    const { a, b, give, end } = processors({
      onFailure: 'hold',
      run: (_, { idempotencyKey }) => {
        keys.push(idempotencyKey);
        if (!works) throw new Error('A bug');
      },
      compensate: () => {},
    });
    const outcomes = [a, b].map((each) => each.submit(order('o-1')));
    await clock.advance(1_000);
    await endOf(b.release('u', 'retry'));
    give(1);
    await clock.advance(1_000);
    works = true;
    await endOf(a.release('u', 'retry'));
    expect(await endOf(Promise.all(outcomes))).toMatchObject([{ balance: 5 }, { balance: 5 }]);
    expect(keys).toEqual(['o-1:work', 'o-1:work/2', 'o-1:work/3']);
    await end();
  });

  it('invariant 9: a step that was compensated has another key, whenever its processor shuts down', async () => {
    for (let cut = 0; cut < 16; cut += 1) {
      const keys: string[] = [];
      let works = false;
      const { a, b, end } = processors({
        onFailure: 'hold',
        run: (_, { idempotencyKey }) => {
          keys.push(idempotencyKey);
          if (!works) throw new Error('A bug');
        },
        compensate: (_, { idempotencyKey }) => {
          keys.push(`${idempotencyKey} compensated`);
        },
      });
      const outcome = b.submit(order('o-1'));
      await clock.advance(cut);
      void a.shutdown();
      await clock.advance(1_000);
      works = true;
      await endOf(b.release('u', 'retry').catch(codeOf));
      expect(await endOf(outcome)).toMatchObject({ balance: 5 });
      const last = keys.at(-1);
      expect(keys).not.toContain(`${last} compensated`);
      await end();
    }
  });

  it('invariant 9: an owner that dies while it releases loses no release, and none is done twice', async () => {
    for (let cut = 0; cut < 24; cut += 1) {
      const { step, mayWork } = failing();
      const { a, b, database, give, end } = processors(step);
      const outcome = b.submit(order('o-1')).catch(codeOf);
      await clock.advance(1_000);
      mayWork();
      const released = b.release('u', 'retry', { orderId: 'o-1' });
      await clock.advance(cut);
      give(1);
      expect(await endOf(released)).toMatchObject({ orderId: 'o-1', action: 'retry' });
      expect(await endOf(outcome)).toMatchObject({ balance: 5 });
      expect(database.requests.size).toBe(0);
      expect([a.stats().heldLanes, b.stats().heldLanes]).toEqual([0, 0]);
      await end();
    }
  });

  it.each(['retry', 'skip', undefined] as const)(
    'invariant 4: a lane whose release (%s) was ended by the storage without an answer goes on',
    async (action) => {
      const { step, mayWork } = failing();
      const { a, b, storages, end } = processors(step);
      if (action === undefined) await endOf(b.hold('u'));
      const outcome = b.submit(order('o-1')).catch(codeOf);
      await clock.advance(1_000);
      mayWork();
      const [owner] = storages as [SharedStorage];
      const release = owner.release.bind(owner);
      let lost = 0;
      owner.release = async (...given) => {
        const answer = await release(...given);
        lost += 1;
        if (lost < 3) throw new Error('The answer is lost');
        return answer;
      };
      a.on('error', () => {});
      expect(await endOf(b.release('u', action))).toMatchObject({ userId: 'u', action });
      expect(await endOf(outcome)).toEqual(
        action === 'skip' ? 'declined' : expect.objectContaining({ balance: 5 }),
      );
      expect(a.stats()).toMatchObject({ heldLanes: 0, unsettled: 0 });
      await end();
    },
  );

  it('invariant 4: a partition is handed over at any moment of a release, also before its holds are read', async () => {
    for (let cut = 0; cut < 16; cut += 1) {
      const { step, mayWork } = failing();
      const { b, database, storages, give, end } = processors(step);
      const outcome = b.submit(order('o-1')).catch(codeOf);
      await clock.advance(1_000);
      mayWork();
      give(0);
      const released = b.release('u', 'retry', { orderId: 'o-1' });
      await clock.advance(cut);
      database.release(0, () => storages[1]);
      expect(await endOf(released)).toMatchObject({ orderId: 'o-1', action: 'retry' });
      expect(await endOf(outcome)).toMatchObject({ balance: 5 });
      expect(database.owners[0]?.storage).toBe(storages[1]);
      await end();
    }
  });

  it('invariant 1: a partition that moves at any moment of a hold begins no order after it', async () => {
    for (let cut = 0; cut < 16; cut += 1) {
      const { b, ran, give, end } = processors();
      let count: number | undefined;
      const held = b.hold('u').then(() => {
        count = ran.length;
      });
      for (let at = 0; at < 20; at += 1) {
        if (at === cut) give(at % 2 === 0 ? 1 : 0);
        b.enqueue(order(`o-${at}`)).catch(() => {});
        await clock.advance(1);
      }
      await endOf(held);
      expect(ran.length).toBe(count);
      await endOf(b.release('u'));
      await clock.advance(5_000);
      expect(new Set(ran.map((each) => each.split('@')[0])).size).toBe(20);
      await end();
    }
  });

  it('a failed compensation is tried again once at the owner, by callers at different processors', async () => {
    let compensations = 0;
    let works = false;
    const { a, b, end } = processors({
      run: (_, { signal }) => clock.sleep(50, signal),
      compensate: async () => {
        compensations += 1;
        await clock.sleep(5);
        if (!works) throw new Error('Not yet');
      },
    });
    void b.submit(order('o-1')).catch(() => {});
    await clock.advance(20);
    await endOf(b.cancel('o-1'));
    const before = compensations;
    works = true;
    const record = await b.order('o-1');
    expect(record?.steps).toMatchObject([{ compensation: { status: 'error' } }]);
    const both = await endOf(Promise.all([a.compensate('o-1'), b.compensate('o-1')]));
    for (const { steps } of both) expect(steps).toMatchObject([{ compensation: { status: 'ok' } }]);
    expect(compensations).toBe(before + 1);
    await end();
  });

  it('invariant 5: a retry at every processor makes one order', async () => {
    const { step, mayWork } = failing();
    const { a, b, all, ran, end } = processors({ run: step.run as Step['run'] }, 3);
    await endOf(a.submit(order('o-1')).catch(codeOf));
    mayWork();
    const records = await endOf(Promise.all([...all, ...all].map((each) => each.retry('o-1'))));
    expect(new Set(records.map(({ id }) => id))).toEqual(new Set(['o-1~2']));
    expect((await b.order('o-1'))?.retriedAs).toBe('o-1~2');
    expect(await b.balance('u')).toBe(5);
    expect(ran).toEqual([]);
    await end();
  });

  it('invariant 4: a skip whose settlement was recorded, and its answer lost, leaves no lane held', async () => {
    const { step } = failing();
    const { a, b, storages, end } = processors(step);
    const outcome = b.submit(order('o-1')).catch(codeOf);
    await clock.advance(1_000);
    expect(a.stats().heldLanes).toBe(1);
    const [own] = storages as [SharedStorage];
    const { settle } = own;
    own.settle = async (settlements) => {
      own.settle = settle;
      await settle.call(own, settlements);
      throw new Error('The answer is lost');
    };
    const released = a.release('u', 'skip').catch(codeOf);
    await clock.advance(60_000);
    expect([await released, await outcome]).toEqual(['storage_failed', 'declined']);
    expect([a.stats().heldLanes, (await b.holds()).holds]).toEqual([0, []]);
    await end();
  });

  it('invariant 4: a release whose owner never comes ends with the processor that asks', async () => {
    const { database, a, b, end } = processors();
    await endOf(a.hold('u'));
    database.take(0);
    await clock.advance(100);
    const released = b.release('u').catch(codeOf);
    await clock.advance(1_000);
    await end();
    expect(await released).toBe('shut_down');
  });

  it('invariant 3: an operator cancels an order that holds its lane from any processor: of several calls one did it', async () => {
    const { step } = failing();
    const { a, b, all, database, end } = processors(step, 3);
    const outcome = b.submit(order('o-1')).catch(codeOf);
    await clock.advance(1_000);
    const events: string[] = [];
    a.on('canceled', ({ orderId }) => events.push(`canceled ${orderId}`));
    a.on('released', ({ orderId }) => events.push(`released ${orderId}`));
    void b.enqueue(order('o-2'));
    const results = await endOf(Promise.all(all.map((each) => each.cancel('o-1'))));
    expect(results.filter(Boolean)).toHaveLength(1);
    expect(await outcome).toBe('canceled');
    expect(events).toEqual(['canceled o-1', 'released o-1']);
    // The next order of the lane failed in its turn, and holds it.
    expect((await a.holds()).holds).toMatchObject([{ orderId: 'o-2' }]);
    expect(await endOf(b.cancel('o-2'))).toBe(true);
    expect(await endOf(b.cancel('o-2'))).toBe(false);
    expect((await b.holds()).holds).toEqual([]);
    expect(database.requests.size).toBe(0);
    await end();
  });

  it('invariants 3 and 9: an owner that dies while it cancels an order that holds its lane loses no cancellation', async () => {
    for (let cut = 0; cut < 24; cut += 1) {
      const { step } = failing();
      const { a, b, database, give, end } = processors(step);
      const outcome = b.submit(order('o-1')).catch(codeOf);
      await clock.advance(1_000);
      const canceled = b.cancel('o-1');
      await clock.advance(cut);
      give(1);
      expect(await endOf(canceled)).toBe(true);
      expect(await endOf(outcome)).toBe('canceled');
      expect(database.requests.size).toBe(0);
      expect([a.stats().heldLanes, b.stats().heldLanes]).toEqual([0, 0]);
      expect((await b.order('o-1'))?.status).toBe('canceled');
      await end();
    }
  });

  it('invariant 3: a request that a later version makes is answered with an error, and changes nothing', async () => {
    const { step } = failing();
    const { a, b, storages, database, end } = processors(step);
    const outcome = b.submit(order('o-1')).catch(codeOf);
    await clock.advance(1_000);
    const { holds } = await a.holds();
    const [held] = (await endOf(Promise.resolve(storages[0]?.holds({ limit: 1 })))) ?? [];
    const request = JSON.stringify({ kind: 'later', orderId: 'o-1', held });
    await endOf(Promise.resolve(storages[1]?.request({ id: 'r', userId: 'u', request })));
    expect(database.requests.size).toBe(0);
    expect((await a.holds()).holds).toEqual(holds);
    expect(await endOf(a.cancel('o-1'))).toBe(true);
    expect(await outcome).toBe('canceled');
    await end();
  });

  it('invariant 4: a cancellation ends where the order that holds its lane was deleted by hand', async () => {
    const { step } = failing();
    const { a, b, storages, database, end } = processors(step);
    void a.enqueue(order('o-1'));
    await clock.advance(1_000);
    const [held] = (await endOf(Promise.resolve(storages[0]?.holds({ limit: 1 })))) ?? [];
    if (held === undefined) throw new Error('Expected a hold');
    await database.disk.hold({ ...held, heldAt: held.heldAt + 1 });
    vi.spyOn(storages[1] as SharedStorage, 'find').mockResolvedValue(undefined);
    expect(await endOf(Promise.race([b.cancel('o-1'), clock.sleep(500)]))).toBe(false);
    await end();
  });

  it('invariant 3: a cancellation that comes behind the retry of its order cancels what runs then', async () => {
    for (let cut = 0; cut < 8; cut += 1) {
      const { step, mayWork } = failing();
      const { a, b, end } = processors(step);
      const outcome = b.submit(order('o-1')).catch(codeOf);
      await clock.advance(1_000);
      mayWork();
      const released = a.release('u', 'retry', { orderId: 'o-1' }).catch(codeOf);
      await clock.advance(cut);
      const isCanceled = await endOf(b.cancel('o-1'));
      const ended = await endOf(outcome);
      expect(ended === 'canceled').toBe(isCanceled);
      if (!isCanceled) expect([await released, ended]).toMatchObject([{}, { balance: 5 }]);
      await end();
    }
  });

  it('a retry of an order that holds its lane says so at every processor', async () => {
    const { step } = failing();
    const { all, end } = processors(step, 3);
    void all[1]?.submit(order('o-1')).catch(() => {});
    await clock.advance(1_000);
    const errors = await endOf(
      Promise.all(
        all.flatMap((each) => [
          each.retry('o-1').catch((error) => error),
          each.compensate('o-1').catch((error) => error),
        ]),
      ),
    );
    for (const error of errors) {
      expect(error).toMatchObject({ code: 'not_failed', orderId: 'o-1', userId: 'u' });
      expect(error.message).toMatch(/holds its user's lane: `release` it/);
    }
    await end();
  });

  it('a customer cannot cancel an order that holds its lane at another processor', async () => {
    const { step } = failing();
    const { b, end } = processors(step);
    void b.submit(order('o-1')).catch(() => {});
    await clock.advance(1_000);
    const asked: boolean[] = [];
    const canceled = b.cancelIf('o-1', (_, holdsLane) => {
      asked.push(holdsLane);
      return false;
    });
    expect(await endOf(canceled)).toBe(false);
    expect(asked).toEqual([true]);
    await end();
  });
});
