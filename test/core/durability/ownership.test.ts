import { OrderError, OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { deferred, errorOf } from '../../kit/helpers.ts';
import { SharedDatabase } from '../../kit/shared-database.ts';
import { SharedStorage } from '../../kit/shared-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();

/** Processors of one database; the first one owns all partitions. */
function processors(run?: (id: string, at: number, signal: AbortSignal) => unknown, count = 2) {
  const database = new SharedDatabase(2, () => clock.sleep(1));
  const storages = Array.from({ length: count }, () => new SharedStorage(database));
  const all = storages.map(
    (storage, at) =>
      new OrderProcessor({
        storage,
        concurrency: 4,
        steps:
          run === undefined
            ? []
            : [{ name: 'work', run: (order, { signal }) => run(order.id, at, signal) }],
      }),
  );
  for (const partition of [0, 1]) database.give(partition, storages[0] as SharedStorage);
  const end = async (): Promise<void> => {
    const over = Promise.all(all.map((each) => each.shutdown()));
    await clock.runAll();
    await over;
  };
  return { database, storages, all, a: all[0] as OrderProcessor, b: all[1] as OrderProcessor, end };
}

describe('where several processors share a storage', () => {
  it('invariant 3: an order handed in elsewhere is processed by its owner, and its caller hears', async () => {
    const ran: string[] = [];
    const { a, b, end } = processors((id, at) => ran.push(`${id}@${at}`));
    const completed: string[] = [];
    const accepted: string[] = [];
    a.on('completed', ({ orderId }) => completed.push(orderId));
    b.on('accepted', ({ id }) => accepted.push(id));
    b.on('completed', ({ orderId }) => completed.push(`${orderId} at b`));
    const receipt = b.submit({ id: 'o', userId: 'u', amount: 5 });
    await clock.runAll();
    expect((await receipt).balance).toBe(5);
    expect(ran).toEqual(['o@0']);
    expect({ completed, accepted }).toEqual({ completed: ['o'], accepted: ['o'] });
    expect(b.stats()).toMatchObject({ accepted: 1, completed: 0, unsettled: 0 });
    expect(a.stats()).toMatchObject({ accepted: 0, completed: 1, unsettled: 0 });
    await end();
  });

  it('invariant 5: the same id at another processor gets the same outcome, other content a conflict', async () => {
    const { a, b, end } = processors(() => {});
    const order = { id: 'o', userId: 'u', amount: 5 };
    const receipts = [a.submit(order), b.submit(order)];
    const conflict = b.submit({ ...order, amount: 6 }).catch((error) => error.code);
    await clock.runAll();
    const [one, other] = await Promise.all(receipts);
    expect(other).toEqual(one);
    expect(await conflict).toBe('order_conflict');
    const late = b.submit(order);
    await clock.runAll();
    expect(await late).toEqual(one);
    await end();
  });

  it('stats tell of all processors, and fail while this one is none of them (invariant 10)', async () => {
    const gate = deferred();
    const { b, database, storages, end } = processors(() => gate.promise);
    await Promise.all([b.enqueue({ id: 'o', userId: 'u', amount: 5 }), clock.runAll()]);
    const { cluster, storage, unsettled } = b.stats();
    expect({ storage, unsettled }).toEqual({ storage: 'ready', unsettled: 0 });
    expect(cluster).toMatchObject({
      ...{ isMember: true, partitions: 2, ownedPartitions: 0, freePartitions: 0, backlog: 1 },
      processors: [{ partitions: 2 }, { partitions: 0, isSelf: true }],
    });
    const [, own] = storages as [SharedStorage, SharedStorage];
    database.members.delete(own);
    expect(b.stats().storage).toBe('failing');
    database.members.add(own);
    own.cluster = () => {
      throw new Error('It cannot tell');
    };
    expect(b.stats()).toMatchObject({ cluster: undefined, storage: 'ready' });
    gate.resolve();
    await end();
  });

  it('invariant 4: outcomes come at every processor, whichever settles', async () => {
    const { a, b, end } = processors();
    const leaving = new AbortController();
    const seen: string[] = [];
    const reading = (async () => {
      for await (const { order } of b.outcomes({ signal: leaving.signal })) seen.push(order.id);
    })();
    await clock.advance(10);
    const receipts = [a.submit({ id: 'o', userId: 'u', amount: 5 })];
    await clock.advance(1_000);
    await Promise.all(receipts);
    expect(seen).toEqual(['o']);
    leaving.abort();
    await reading;
    await end();
  });

  it('a reader of outcomes that waits asks the storage nothing, and is followed to its end', async () => {
    const { a, b, storages, end } = processors();
    const other = storages[1] as SharedStorage;
    let asked = 0;
    const { settled } = other;
    other.settled = (query) => {
      asked += 1;
      return settled(query);
    };
    const leaving = new AbortController();
    const seen: string[] = [];
    const read = async (): Promise<void> => {
      for await (const { order } of b.outcomes({ signal: leaving.signal })) seen.push(order.id);
    };
    const reading = [read(), read()];
    await clock.advance(50);
    const before = asked;
    await clock.advance(60_000);
    expect([asked, other.isFollowing]).toEqual([before, true]);
    const receipt = a.submit({ id: 'o', userId: 'u', amount: 5 });
    await clock.advance(100);
    await receipt;
    expect(seen).toEqual(['o', 'o']);
    leaving.abort();
    await clock.advance(10);
    await Promise.all(reading);
    expect(other.isFollowing).toBe(false);
    await end();
  });

  it("an enqueued order that is another one's is forgotten here, and its outcome can be awaited", async () => {
    const gate = deferred();
    const { b, end } = processors(() => gate.promise);
    const record = b.enqueue({ id: 'o', userId: 'u', amount: 5 });
    await clock.runAll();
    expect((await record).status).toBe('pending');
    expect(b.stats().unsettled).toBe(0);
    await b.onIdle();
    const outcome = b.outcome('o');
    await clock.runAll();
    expect(b.stats().unsettled).toBe(1);
    gate.resolve();
    await clock.runAll();
    expect(await outcome).toMatchObject({ status: 'completed', balance: 5 });
    expect(b.stats().unsettled).toBe(0);
    await end();
  });

  it('a caller that waits no longer leaves nothing behind', async () => {
    const gate = deferred();
    const { b, end } = processors(() => gate.promise);
    await Promise.all([b.enqueue({ id: 'o', userId: 'u', amount: 5 }), clock.runAll()]);
    const controller = new AbortController();
    const outcome = b.outcome('o', { signal: controller.signal }).catch((error) => error.code);
    await clock.runAll();
    controller.abort();
    expect(await outcome).toBe('canceled');
    expect(b.stats().unsettled).toBe(0);
    gate.resolve();
    await clock.runAll();
    await end();
  });

  it('an order is canceled at a processor that does not own it', async () => {
    const { a, b, end } = processors((_id, _at, signal) => clock.sleep(1_000, signal));
    const submitted = a.submit({ id: 'o', userId: 'u', amount: 5 }).catch((error) => error.code);
    await clock.advance(20);
    const canceled = b.cancel('o');
    const signal = AbortSignal.timeout(1e8);
    const other = b.submit({ id: 'p', userId: 'v', amount: 5 }, { signal });
    await clock.runAll();
    expect(await canceled).toBe(true);
    expect(await submitted).toBe('canceled');
    expect((await other).balance).toBe(5);
    const again = b.cancel('o');
    await clock.runAll();
    expect(await again).toBe(false);
    await end();
  });

  it.each([
    ['submitted', true],
    ['enqueued', false],
  ])(
    'invariant 4: a cancellation ends although the partition of the order, %s here, came and went',
    async (_, isAwaited) => {
      const gate = deferred();
      const { a, b, database, storages, end } = processors(() => gate.promise);
      const [first, second] = storages as [SharedStorage, SharedStorage];
      await Promise.all([b.ready, clock.advance(10)]);
      const order = { id: 'o', userId: 'u', amount: 5 };
      const submitted = isAwaited
        ? b.submit(order).catch((error) => error.code)
        : b.enqueue(order).then(() => a.outcome('o'));
      await clock.advance(10);
      const asked = deferred();
      const { holdOf } = second;
      second.holdOf = async () => {
        await asked.promise;
        second.holdOf = holdOf;
        return undefined;
      };
      const canceled = b.cancel('o');
      await clock.advance(5);
      const move = async (to: SharedStorage): Promise<void> => {
        const partition = database.partitionOf('u');
        database.take(partition);
        database.give(partition, to);
        await clock.advance(20);
      };
      await move(second);
      await move(first);
      asked.resolve();
      await clock.advance(100);
      expect(await canceled).toBe(true);
      gate.resolve();
      await clock.advance(100);
      await submitted;
      expect((await b.order('o'))?.status).toBe('canceled');
      await end();
    },
  );

  it('a caller whose signal cancels an order at another processor gets the reason as the cause', async () => {
    const { a, b, end } = processors((_id, _at, signal) => clock.sleep(100, signal));
    const signal = new AbortController();
    const canceled = b
      .submit({ id: 'o', userId: 'u', amount: 5 }, { signal: signal.signal })
      .catch((error) => error);
    await clock.advance(50);
    signal.abort('Changed my mind');
    await clock.runAll();
    expect(await canceled).toMatchObject({ code: 'canceled', cause: 'Changed my mind' });
    expect(await a.order('o')).toMatchObject({ status: 'canceled', cause: undefined });
    await end();
  });

  it("invariant 1: a client's cancellation leaves an order alone that holds its lane at its owner", async () => {
    const database = new SharedDatabase(1, () => clock.sleep(1));
    const storages = [new SharedStorage(database), new SharedStorage(database)] as const;
    const steps: Step[] = [
      { name: 'work', run: () => Promise.reject(new OrderError('declined', 'No')) },
    ];
    const [a, b] = storages.map(
      (storage) => new OrderProcessor({ storage, steps, onFailure: 'hold' }),
    ) as [OrderProcessor, OrderProcessor];
    database.give(0, storages[0]);
    const giveUp = new AbortController();
    const first = errorOf(b.submit({ id: 'o', userId: 'u', amount: 5 }, { signal: giveUp.signal }));
    await clock.runAll();
    expect(a.stats()).toMatchObject({ heldLanes: 1 });
    const seen: boolean[] = [];
    const canceled = b.cancelIf('o', (_, holdsLane) => {
      seen.push(holdsLane);
      return !holdsLane;
    });
    await clock.runAll();
    expect([await canceled, seen]).toEqual([false, [true]]);
    giveUp.abort('gone');
    // A request that is older than the hold.
    database.cancel('o');
    await clock.runAll();
    expect(await first).toMatchObject({ code: 'canceled', cause: 'gone', outcome: undefined });
    expect((await a.order('o'))?.status).toBe('pending');
    expect(a.stats()).toMatchObject({ heldLanes: 1, canceled: 0 });
    const byOperator = b.cancel('o');
    await clock.runAll();
    expect(await byOperator).toBe(true);
    expect(a.stats()).toMatchObject({ heldLanes: 0, canceled: 1 });
    const over = Promise.all([a.shutdown(), b.shutdown()]);
    await clock.runAll();
    await over;
  });

  it('invariant 12: a lost partition is aborted and forgotten, and callers wait for its next owner', async () => {
    const aborted: string[] = [];
    const ran: string[] = [];
    const { database, storages, a, b, end } = processors(async (id, at, signal) => {
      ran.push(`${id}@${at}`);
      signal.addEventListener('abort', () => aborted.push(`${id}@${at}`));
      await clock.sleep(100, signal);
    });
    const receipts = ['o', 'p'].map((id) => a.submit({ id, userId: 'u', amount: 1 }));
    await clock.advance(50);
    const partition = database.partitionOf('u');
    database.take(partition);
    database.give(partition, storages[1] as SharedStorage);
    await clock.runAll();
    const [one, other] = await Promise.all(receipts);
    expect([one?.balance, other?.balance]).toEqual([1, 2]);
    expect({ ran, aborted }).toEqual({ ran: ['o@0', 'o@1', 'p@1'], aborted: ['o@0'] });
    expect(database.commits.every(({ isByOwner }) => isByOwner)).toBe(true);
    expect(database.commits.map(({ order }) => order.attempt)).toEqual([2, 2]);
    expect(a.stats()).toMatchObject({ unsettled: 0, queueLength: 0, failed: 0, completed: 0 });
    expect(b.stats()).toMatchObject({ unsettled: 0, completed: 2 });
    await end();
  });

  it('invariant 3: an order that is lost and gained again credits whom it was to credit', async () => {
    const { database, storages, a, end } = processors(() => clock.sleep(20));
    const postings = [{ userId: 'fees', amount: 2 }];
    const receipt = a.submit({ id: 'o', userId: 'u', amount: 1, postings });
    await clock.advance(12);
    const partition = database.partitionOf('u');
    database.take(partition);
    database.give(partition, storages[0] as SharedStorage);
    await clock.runAll();
    await receipt;
    expect([database.disk.get('u'), database.disk.get('fees')]).toEqual([1, 2]);
    await end();
  });

  it('invariant 12: a settlement after the loss changes nothing', async () => {
    const { database, storages, a, b, end } = processors(() => clock.sleep(10));
    const receipt = a.submit({ id: 'o', userId: 'u', amount: 1 });
    await clock.advance(9);
    const partition = database.partitionOf('u');
    // The owner does not hear of it before its settlement is refused.
    Object.assign(database.faults, { hidesLoss: true });
    database.take(partition);
    database.give(partition, storages[1] as SharedStorage);
    await clock.runAll();
    expect((await receipt).balance).toBe(1);
    expect(database.commits).toHaveLength(1);
    expect(b.stats().completed).toBe(1);
    expect(a.stats()).toMatchObject({ completed: 0, unsettled: 0, activeWorkers: 0 });
    await end();
  });

  it('nothing is compensated by a processor that has lost the order', async () => {
    const database = new SharedDatabase(1, () => clock.sleep(1));
    const storages = [new SharedStorage(database), new SharedStorage(database)];
    const compensated: string[] = [];
    const all = storages.map(
      (storage, at) =>
        new OrderProcessor({
          storage,
          steps: [
            { name: 'pay', run: () => {}, compensate: () => void compensated.push(`pay@${at}`) },
            { name: 'send', after: ['pay'], run: () => clock.sleep(20) },
          ],
        }),
    );
    database.give(0, storages[0] as SharedStorage);
    const receipt = all[0]?.submit({ id: 'o', userId: 'u', amount: 1 });
    await clock.advance(12);
    database.take(0);
    database.give(0, storages[1] as SharedStorage);
    await clock.runAll();
    expect((await receipt)?.balance).toBe(1);
    expect(compensated).toEqual([]);
    const over = Promise.all(all.map((each) => each.shutdown()));
    await clock.runAll();
    await over;
  });

  it('invariant 1: a released partition is handed over when what has begun is settled, and nothing begins', async () => {
    const log: string[] = [];
    const { database, storages, a, end } = processors(async (id, at) => {
      log.push(`${id}@${at}`);
      await clock.sleep(50);
      log.push(`${id} ends`);
    });
    const receipts = ['o', 'p'].map((id) => a.submit({ id, userId: 'u', amount: 1 }));
    await clock.advance(20);
    database.release(database.partitionOf('u'), () => storages[1]);
    await clock.runAll();
    await Promise.all(receipts);
    expect(log).toEqual(['o@0', 'o ends', 'p@1', 'p ends']);
    expect(database.commits.map(({ order }) => order.attempt)).toEqual([1, 1]);
    await end();
  });

  it('invariant 1: a released partition waits for steps that go on after the settlement', async () => {
    const log: string[] = [];
    const database = new SharedDatabase(1, () => clock.sleep(1));
    const storages = [new SharedStorage(database), new SharedStorage(database)];
    const all = storages.map((storage, at) =>
      new OrderProcessor({
        storage,
        stalledAfterMs: 20,
        steps: [
          {
            name: 'deaf',
            run: async ({ id }) => {
              log.push(`${id}@${at}`);
              await clock.sleep(id === 'o' ? 500 : 5);
              log.push(`${id} ends`);
            },
          },
        ],
      }).on('stalled', () => {}),
    );
    database.give(0, storages[0] as SharedStorage);
    const one = all[0]?.submit({ id: 'o', userId: 'u', amount: 1 }).catch((error) => error.code);
    const other = all[0]?.submit({ id: 'p', userId: 'u', amount: 1 });
    await clock.advance(20);
    void all[0]?.cancel('o');
    await clock.advance(100);
    database.release(0, () => storages[1]);
    await clock.runAll();
    expect(await one).toBe('canceled');
    await other;
    expect(log).toEqual(['o@0', 'o ends', 'p@1', 'p ends']);
    const over = Promise.all(all.map((each) => each.shutdown()));
    await clock.runAll();
    await over;
  });

  it('invariant 6: no more orders than `capacity` are taken up, and callers do not wait for each other', async () => {
    const database = new SharedDatabase(1, () => clock.sleep(1));
    const storages = [new SharedStorage(database), new SharedStorage(database)];
    const all = storages.map(
      (storage) =>
        new OrderProcessor({
          storage,
          capacity: 3,
          concurrency: 1,
          overflow: 'wait',
          steps: [{ name: 'work', run: () => clock.sleep(5) }],
        }),
    );
    let most = 0;
    all[0]?.on('stepped', () => {
      most = Math.max(most, all[0]?.stats().queueLength ?? 0);
    });
    database.give(0, storages[0] as SharedStorage);
    const receipts = Array.from({ length: 30 }, (_, at) =>
      all[at % 2]?.submit({ id: `o-${at}`, userId: `u-${at % 5}`, amount: 1 }),
    );
    await clock.runAll();
    await Promise.all(receipts);
    expect(most).toBeLessThanOrEqual(3);
    const over = Promise.all(all.map((each) => each.shutdown()));
    await clock.runAll();
    await over;
  });

  it('invariant 4: shutdown hands over what waits, and its callers hear the outcome', async () => {
    const ran: string[] = [];
    const { storages, a, b, end } = processors((id, at) => {
      ran.push(`${id}@${at}`);
      return clock.sleep(50);
    });
    const receipts = ['o', 'p', 'q'].map((id) => a.submit({ id, userId: 'u', amount: 1 }));
    await clock.advance(20);
    const over = a.shutdown();
    await clock.runAll();
    expect(await over).toMatchObject({ kept: 0, unsettled: [], timedOut: false, completed: 1 });
    expect((await Promise.all(receipts)).map(({ balance }) => balance)).toEqual([1, 2, 3]);
    expect(ran).toEqual(['o@0', 'p@1', 'q@1']);
    expect(storages[1]?.database.owners.every((owner) => owner?.storage === storages[1])).toBe(
      true,
    );
    await b.onIdle();
    await end();
  });

  it('invariant 4: what another processor has not settled by the deadline of shutdown is kept', async () => {
    const { b, end } = processors(() => clock.sleep(60_000));
    const code = b.submit({ id: 'o', userId: 'u', amount: 1 }).catch((error) => error.code);
    await clock.advance(20);
    const over = b.shutdown({ timeoutMs: 100 });
    await clock.advance(2_000);
    expect(await code).toBe('shut_down');
    expect(await over).toMatchObject({ kept: 1, unsettled: [] });
    await end();
  });

  it('`ready` resolves when what was unsettled is taken up, and no order waits for that', async () => {
    const { a, b, end } = processors(() => {});
    await Promise.all([a.ready, b.ready, clock.runAll()]);
    expect([a.stats().storage, b.stats().storage]).toEqual(['ready', 'ready']);
    await end();
  });

  it('without steps an order takes the same way', async () => {
    const { database, a, b, end } = processors();
    const receipts = [a, b, a, b].map((each) => each.submit({ userId: 'u', amount: 1 }));
    await clock.runAll();
    expect((await Promise.all(receipts)).map(({ balance }) => balance).sort()).toEqual([
      1, 2, 3, 4,
    ]);
    expect(database.commits).toHaveLength(4);
    await end();
  });
});
