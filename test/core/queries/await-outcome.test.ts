import {
  isOrderError,
  MemoryStorage,
  type OrderOutcome,
  OrderProcessor,
  type OutcomeOptions,
  refuse,
  type Step,
} from 'order-processor';
import { describe, expect, it } from 'vitest';
import {
  codeOf,
  deferred,
  errorOf,
  heapUsed,
  outcomeNow,
  range,
  watch,
} from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = (id: string, userId = 'u', amount = 1) => ({ id, userId, amount });
const deaf = deferred().promise;
const sleeps: Step = { name: 'sleeps', run: (_, { signal }) => clock.sleep(10, signal) };

/** Fails the order whose id says so. */
const fallible: Step = {
  name: 'fallible',
  async run({ id }, { signal }) {
    await clock.sleep(10, signal);
    if (id === 'failed') throw Object.assign(new Error('Sold out'), { code: 'sold_out' });
  },
};

/** The outcome with the error's facts, since a remembered order gives another error object. */
const told = (outcome: OrderOutcome | undefined): unknown =>
  outcome === undefined || outcome.status === 'completed'
    ? outcome
    : { status: outcome.status, error: JSON.parse(JSON.stringify(outcome.error)) };

/** A thing that looks like a signal, and can't be listened to. */
const unheard = {
  aborted: false,
  addEventListener() {
    throw new Error('No');
  },
} as never;

describe('the outcome of an order', () => {
  it('invariant 5: is what `submitMany` gives, in flight and settled, for any caller and any number of times', async () => {
    const processor = new OrderProcessor({ steps: [fallible] });
    const ids = ['completed', 'failed', 'canceled'];
    const many = processor.submitMany(ids.map((id) => order(id)));
    const early = ids.flatMap((id) => [processor.outcome(id), processor.outcome(id, {})]);
    await clock.settle();
    await processor.cancel('canceled');
    await clock.runAll();
    const expected = (await many).map(told);
    expect(expected).toMatchObject(ids.map((status) => ({ status })));
    const heard = (await Promise.all(early)).map(told);
    expect(heard).toEqual(expected.flatMap((outcome) => [outcome, outcome]));
    const late = await outcomeNow(Promise.all(ids.map((id) => processor.outcome(id))));
    expect((late as OrderOutcome[]).map(told)).toEqual(expected);
  });

  it('invariant 5: is the same of an order that goes at once, or waits for a batch', async () => {
    for (const storage of [new MemoryStorage(), undefined]) {
      const late = { get: () => 0, apply: async () => [{ balance: 7 }] };
      const processor = new OrderProcessor({ storage: storage ?? late });
      const receipt = processor.submit(order('a', 'u', 7));
      const outcome = processor.outcome('a');
      expect(await outcome).toEqual(await receipt);
      expect(await processor.outcome('a')).toEqual(await receipt);
    }
  });

  it('invariant 5: resolves when `submit` does, and stays that until the order is settled', async () => {
    const steps: Step[] = [
      { name: 'deaf', run: () => clock.sleep(500) },
      { name: 'pay', run: () => {}, compensate: () => {} },
    ];
    const processor = new OrderProcessor({ steps, timeoutMs: 100 });
    const submitted = errorOf(processor.submit(order('a')));
    const waited = watch(processor.outcome('a'));
    await clock.advance(99);
    expect(waited.isSettled).toBe(false);
    await clock.advance(1);
    expect(waited.isSettled).toBe(true);
    const again = await outcomeNow(processor.outcome('a'));
    expect(again).toEqual({ status: 'failed', error: await submitted });
    expect(processor.stats().unsettled).toBe(1);
    await clock.runAll();
    const { steps: results } = (await processor.outcome('a').then(errorIn)) ?? {};
    expect(results).toMatchObject([{ status: 'canceled' }, { status: 'compensated' }]);
  });

  it('is undefined for what is unknown, refused, forgotten or no id at all', async () => {
    const processor = new OrderProcessor({
      storage: new MemoryStorage({ retainSettled: 1 }),
      rules: [({ id }) => (id === 'refused' ? refuse('never') : undefined)],
    });
    await processor.submitMany(['forgotten', 'remembered', 'refused'].map((id) => order(id)));
    expect(await processor.outcome('remembered')).toMatchObject({ status: 'completed' });
    for (const id of ['forgotten', 'refused', 'nobody', '', '__proto__', 7, null, undefined, {}]) {
      expect(await processor.outcome(id as string)).toBeUndefined();
    }
  });

  it('is undefined for an order that waits for room, and there once it is accepted', async () => {
    const processor = new OrderProcessor({ capacity: 1, overflow: 'wait', steps: [sleeps] });
    const enqueued = range(2).map((n) => processor.enqueue(order(`o-${n}`)));
    expect(await processor.outcome('o-1')).toBeUndefined();
    await clock.advance(10);
    await Promise.all(enqueued);
    const outcome = processor.outcome('o-1');
    await clock.runAll();
    expect(await outcome).toMatchObject({ status: 'completed', waitMs: 0, balance: 2 });
  });

  it("may be awaited by listeners of the order's own events", async () => {
    const processor = new OrderProcessor({ steps: [fallible] });
    const heard: Promise<OrderOutcome | undefined>[] = [];
    processor
      .on('accepted', ({ id }) => heard.push(processor.outcome(id)))
      .on('completed', ({ orderId }) => heard.push(processor.outcome(orderId)))
      .on('failed', ({ orderId }) => heard.push(processor.outcome(orderId as string)));
    for (const id of ['a', 'failed']) await processor.enqueue(order(id));
    await clock.runAll();
    const statuses = (await Promise.all(heard)).map((outcome) => outcome?.status);
    expect(statuses).toEqual(['completed', 'failed', 'completed', 'failed']);
  });
});

describe('the signal of `outcome`', () => {
  it('invariant 4: ends the waiting of its caller at once, and neither the order nor the others', async () => {
    const processor = new OrderProcessor({ steps: [sleeps] });
    const events: string[] = [];
    for (const name of ['canceled', 'refused', 'error'] as const) {
      processor.on(name, () => events.push(name));
    }
    const submitted = codeOf(processor.submit(order('a')));
    const controller = new AbortController();
    const { signal } = controller;
    const gaveUp = range(2).map(() => errorOf(processor.outcome('a', { signal })));
    const stays = processor.outcome('a', { signal: new AbortController().signal });
    await clock.advance(5);
    controller.abort();
    for (const error of await outcomeNow(Promise.all(gaveUp))) {
      expect(error).toMatchObject({ code: 'canceled', orderId: 'a', retryable: true });
    }
    await clock.runAll();
    expect(await submitted).toBe('completed');
    expect(await stays).toMatchObject({ status: 'completed', orderId: 'a' });
    expect(events).toEqual([]);
    expect(processor.stats()).toMatchObject({ completed: 1, canceled: 0, refused: 0 });
  });

  it('invariant 4: that aborted before rejects, even if the order is settled or unknown', async () => {
    const processor = new OrderProcessor();
    const signal = AbortSignal.abort();
    await processor.submit(order('settled'));
    processor.pause();
    await processor.enqueue(order('waits'));
    for (const id of ['settled', 'waits', 'unknown']) {
      const error = await outcomeNow(errorOf(processor.outcome(id, { signal })));
      expect(error).toMatchObject({ code: 'canceled', orderId: id });
    }
    expect(await processor.order('waits')).toMatchObject({ status: 'pending' });
  });

  it('invariant 4: that aborts when the outcome comes leaves one of the two', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const step: Step = {
      name: 'aborts',
      run: () => clock.sleep(10).then(() => controller.abort()),
    };
    const processor = new OrderProcessor({ steps: [step] });
    await processor.enqueue(order('a'));
    const first = codeOf(processor.outcome('a', { signal }));
    processor.on('completed', () => controller.abort());
    const other = new AbortController();
    const second = processor.outcome('a', { signal: other.signal });
    processor.on('completed', () => other.abort());
    await clock.runAll();
    expect(await first).toBe('canceled');
    expect(await second).toMatchObject({ status: 'completed' });
  });

  it('is not needed where a step awaits an order that waits for that step: it gets `deadlock`', async () => {
    const processor: OrderProcessor = new OrderProcessor({
      timeoutMs: 20,
      steps: [
        {
          name: 'fee',
          async run({ id, userId }, { signal }) {
            if (id !== 'a') return;
            await processor.enqueue(order('fee', userId), { signal });
            await processor.outcome('fee', { signal });
          },
        },
      ],
    });
    const submitted = codeOf(processor.submit(order('a')));
    await clock.runAll();
    expect(await submitted).toBe('internal');
    expect(await processor.outcome('fee')).toMatchObject({ status: 'completed' });
    expect(processor.stats()).toMatchObject({ unsettled: 0, stalled: 0 });
  });

  it('invariant 6: gives back all that the waiting took, be the order never settled', async () => {
    const processor = new OrderProcessor({ steps: [{ name: 'never', run: () => deaf }] });
    const { signal } = new AbortController();
    await processor.enqueue(order('a'));
    const round = async (): Promise<void> => {
      const controller = new AbortController();
      const waiting = range(20_000).map((n) =>
        processor.outcome('a', { signal: controller.signal }).catch((error) => {
          if (!isOrderError(error)) throw new Error(`Order ${n}`, { cause: error });
        }),
      );
      controller.abort();
      await Promise.all(waiting);
      // And the signal's part, where it is the order that ends the waiting.
      const enqueued = processor.enqueue(order(`b-${clock.now}`, `v-${clock.now}`));
      const { id } = await enqueued;
      const ended = range(20_000).map(() => processor.outcome(id, { signal }));
      await processor.cancel(id);
      await Promise.all(ended);
      await clock.advance(1);
    };
    await round();
    const before = heapUsed();
    await round();
    await round();
    // Each waiting that stayed would be 200 bytes and more: 8 MB at least.
    expect(heapUsed() - before).toBeLessThan(2_000_000);
  });
});

describe('at the end of the processor', () => {
  it('invariant 4: the deadline of `shutdown` ends the waiting, as it does for `submit`', async () => {
    const processor = new OrderProcessor({ steps: [{ name: 'never', run: () => deaf }] });
    await processor.enqueue(order('runs'));
    await processor.enqueue(order('waits'));
    const outcomes = ['runs', 'waits'].map((id) => processor.outcome(id));
    const closed = processor.shutdown({ timeoutMs: 5 });
    await clock.runAll();
    expect(await outcomeNow(closed)).toMatchObject({ canceled: 2 });
    for (const outcome of outcomes) {
      expect(await outcomeNow(outcome)).toMatchObject({ status: 'canceled' });
    }
    expect(await processor.outcome('waits')).toMatchObject({ status: 'canceled' });
  });

  it('invariant 4: and so it does where the storage never answers', async () => {
    const storage = { get: () => 0, apply: () => new Promise<never>(() => {}) };
    const processor = new OrderProcessor({ storage });
    const submitted = errorOf(processor.submit(order('a')));
    const outcome = processor.outcome('a');
    const closed = processor.shutdown({ timeoutMs: 5 });
    await clock.runAll();
    expect(await outcomeNow(closed)).toMatchObject({ unsettled: ['a'] });
    expect(await outcomeNow(outcome)).toEqual({ status: 'failed', error: await submitted });
    expect(await submitted).toMatchObject({ code: 'storage_failed' });
    expect(await processor.outcome('a')).toBeUndefined();
  });
});

describe('the options of `outcome`', () => {
  it.each<[string, unknown, RegExp]>([
    ['null', null, /^Expected `outcome options` to be an object, got `null`$/],
    ['unknown', { timeoutMs: 5 }, /^Expected the options of outcome .* signal, got `timeoutMs`$/],
    ['a number', { signal: 5 }, /^Expected `signal` to be an AbortSignal, got `5`$/],
  ])('reject with a TypeError when bad: %s', async (_, options, message) => {
    const processor = new OrderProcessor();
    for (const id of ['a', 7 as never]) {
      const thrown = await processor.outcome(id, options as never).catch((error) => error);
      expect(thrown).toBeInstanceOf(TypeError);
      expect((thrown as Error).message).toMatch(message);
    }
    expect(processor.stats().refused).toBe(0);
  });

  it('invariant 8: that throw make it reject, and the order goes on', async () => {
    const processor = new OrderProcessor({ steps: [sleeps] });
    await processor.enqueue(order('a'));
    const options: OutcomeOptions[] = [
      {
        get signal(): undefined {
          throw new Error('No');
        },
      },
      { signal: unheard },
    ];
    for (const each of options) await expect(processor.outcome('a', each)).rejects.toThrow('No');
    await clock.runAll();
    expect(await processor.outcome('a', { signal: unheard })).toMatchObject({ balance: 1 });
  });
});

function errorIn(outcome: OrderOutcome | undefined) {
  return outcome?.status === 'completed' ? undefined : outcome?.error;
}
