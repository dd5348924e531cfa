import { OrderProcessor, type StandardSchema, type Step } from 'order-processor';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { codeOf, deferred, errorOf, logOf } from '../../kit/helpers.ts';
import { order, schemaOf, slow, wordOf } from '../../kit/schemas.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('an asynchronous schema', () => {
  it.each([
    ['zod', z.object({ dish: z.string() }).transform(async ({ dish }) => dish.toUpperCase())],
    ['zod refining', z.string().refine(async () => false, 'Sold out')],
    [
      'valibot',
      v.pipeAsync(
        v.object({ dish: v.string() }),
        v.transformAsync(async ({ dish }) => dish.toUpperCase()),
      ),
    ],
    [
      'valibot checking',
      v.pipeAsync(
        v.string(),
        v.checkAsync(async () => false, 'Sold out'),
      ),
    ],
  ] as [string, StandardSchema<unknown, string>][])('may be of %s', async (name, schema) => {
    const processor = new OrderProcessor({ schema });
    const payload = (name.includes('ing') ? 'soup' : { dish: 'soup' }) as never;
    const submitted = processor.submit({ id: 'a', userId: 'u', amount: 1, payload });
    if (name.includes('ing')) {
      const error = await errorOf(submitted);
      expect([error.code, error.issues]).toEqual([
        'invalid_order',
        [{ path: 'payload', message: 'Sold out' }],
      ]);
    } else expect((await submitted).payload).toBe('SOUP');
  });

  it("invariant 1: does not change the order of one user's orders, and holds no other user", async () => {
    const { schema, open } = slow();
    const log: string[] = [];
    const step: Step = { name: 'work', run: ({ id }) => void log.push(id) };
    const processor = new OrderProcessor({ schema, steps: [step] });
    const submitted = [
      processor.submit(order('first', 'slow-1')),
      processor.submit(order('second', 'quick')),
      processor.submit(order('third', 'slow-3')),
      processor.enqueue(order('fourth', 'quick')),
      processor.submit({ ...order('other', 'quick'), userId: 'v' }),
    ];
    await turn();
    open('slow-3');
    await turn();
    expect(log).toEqual(['other']);
    open('slow-1');
    await Promise.all(submitted);
    await processor.onIdle();
    expect(log).toEqual(['other', 'first', 'second', 'third', 'fourth']);
    // No order waits any more.
    log.length = 0;
    const last = processor.submit(order('last', 'quick'));
    expect(processor.stats().accepted).toBe(6);
    await last;
  });

  it('invariant 1: one that comes in the very moment in which the check before it ends is behind it', async () => {
    for (let ticks = 0; ticks < 12; ticks += 1) {
      const { schema, open } = slow();
      const log: string[] = [];
      const processor = new OrderProcessor({
        schema,
        steps: [{ name: 'work', run: ({ id }) => void log.push(id) }],
      });
      const first = [
        processor.submit(order('a', 'slow-a')),
        processor.enqueue(order('b', 'slow-b')),
      ];
      open('slow-a');
      open('slow-b');
      for (let tick = 0; tick < ticks; tick += 1) await undefined;
      await Promise.all([...first, processor.submit(order('c', 'quick'))]);
      await processor.onIdle();
      expect([ticks, log]).toEqual([ticks, ['a', 'b', 'c']]);
    }
  });

  it('invariant 8: a refusal does not hold up the orders behind it', async () => {
    const gate = deferred();
    const schema = schemaOf(async (value) => {
      if (value !== 'bad') return { value };
      await gate.promise;
      return { issues: [{ message: 'No' }] };
    });
    const processor = new OrderProcessor({ schema });
    const heard = ['bad', 'good'].map((payload) =>
      codeOf(processor.submit(order(payload, payload))),
    );
    gate.resolve();
    expect(await Promise.all(heard)).toEqual(['invalid_order', 'completed']);
  });

  it('invariant 5: the same id is found known when its turn comes', async () => {
    const { schema, open } = slow();
    const processor = new OrderProcessor({ schema });
    const submitted = [
      processor.submit(order('a', 'slow')),
      processor.submit(order('a', 'slow')),
      processor.enqueue(order('a', 'slow')),
    ];
    const conflict = codeOf(processor.submit(order('a', 'quick')));
    open('slow');
    const [first, second] = await Promise.all(submitted);
    expect(second).toEqual(first);
    expect(await conflict).toBe('order_conflict');
    expect(processor.stats()).toMatchObject({ accepted: 1, duplicates: 2, refused: 1 });
    expect(await processor.balance('u')).toBe(1);
  });

  it('invariant 4: a signal ends the wait at once, and the order is not accepted', async () => {
    const { schema, open } = slow();
    const processor = new OrderProcessor({ schema });
    const log = logOf(processor);
    const controller = new AbortController();
    const { signal } = controller;
    const submitted = errorOf(processor.submit(order('a', 'slow'), { signal }));
    await turn();
    controller.abort();
    const error = await submitted;
    expect(error.code).toBe('canceled');
    expect([error.orderId, error.userId]).toEqual(['a', 'u']);
    open('slow');
    await turn();
    expect(log).toEqual(['refused:a:canceled']);
    expect(await processor.order('a')).toBeUndefined();
    expect(processor.stats()).toMatchObject({ accepted: 0, refused: 1, unsettled: 0 });
  });

  it('invariant 1: no order overtakes one whose check is under way when the check between them is aborted', async () => {
    const { schema, open } = slow();
    const log: string[] = [];
    const processor = new OrderProcessor({ schema });
    processor.on('completed', ({ orderId }) => log.push(orderId));
    const controller = new AbortController();
    const first = processor.submit(order('first', 'slow'));
    const second = codeOf(
      processor.submit(order('second', 'quick'), { signal: controller.signal }),
    );
    controller.abort();
    expect(await second).toBe('canceled');
    await turn();
    const third = processor.submit(order('third', 'quick'));
    await turn();
    open('slow');
    await Promise.all([first, third]);
    expect(log).toEqual(['first', 'third']);
    await processor.shutdown();
  });

  it('invariant 3: a signal that aborts while the check ends cancels the order, or comes too late', async () => {
    const heard = new Set<string>();
    for (let ticks = 0; ticks < 12; ticks += 1) {
      const { schema, open } = slow();
      const processor = new OrderProcessor({ schema, steps: [{ name: 'work', run: turn }] });
      const controller = new AbortController();
      const { signal } = controller;
      const submitted = codeOf(processor.submit(order('a', 'slow'), { signal }));
      open('slow');
      for (let tick = 0; tick < ticks; tick += 1) await undefined;
      const { accepted } = processor.stats();
      controller.abort();
      heard.add(`${accepted} ${await submitted}`);
      await processor.onIdle();
      expect([ticks, await processor.balance('u')]).toEqual([ticks, undefined]);
      expect(processor.stats()).toMatchObject({ accepted, refused: 1 - accepted });
    }
    expect([...heard]).toEqual(['0 canceled', '1 canceled']);
  });

  it('a signal that aborts after the check cancels the order as ever', async () => {
    const { schema, open } = slow();
    const gate = deferred();
    const processor = new OrderProcessor({
      schema,
      steps: [{ name: 'work', run: () => gate.promise }],
    });
    const controller = new AbortController();
    const { signal } = controller;
    const submitted = errorOf(processor.submit(order('a', 'slow'), { signal }));
    open('slow');
    await turn();
    controller.abort();
    expect((await submitted).code).toBe('canceled');
    expect(processor.stats()).toMatchObject({ accepted: 1, refused: 0 });
    gate.resolve();
    await processor.onIdle();
    expect(await processor.order('a')).toMatchObject({ status: 'canceled' });
  });

  it('invariant 4: shutdown refuses all orders that are being checked, and accepts none afterwards', async () => {
    const { schema, open } = slow();
    const processor = new OrderProcessor({ schema });
    const log = logOf(processor);
    const { signal } = new AbortController();
    const heard = [
      codeOf(processor.submit(order('a', 'slow'))),
      codeOf(processor.submit(order('b', 'slow'), { signal })),
      codeOf(processor.enqueue(order('c', 'slow'))),
      processor.submitMany([order('d', 'slow'), order('e')]).then((all) => all.map(wordOf).join()),
    ];
    const streamed = (async () => {
      const words: string[] = [];
      for await (const outcome of processor.submitStream([order('f', 'slow')]))
        words.push(wordOf(outcome));
      return words.join();
    })();
    await turn();
    const shutdown = processor.shutdown();
    expect(await Promise.all([...heard, streamed])).toEqual([
      'shut_down',
      'shut_down',
      'shut_down',
      'shut_down,shut_down',
      'shut_down',
    ]);
    await shutdown;
    open('slow');
    await turn();
    expect(processor.stats()).toMatchObject({ accepted: 0, refused: 6, unsettled: 0 });
    expect(log.filter((line) => line.startsWith('refused'))).toHaveLength(6);
    expect(log.at(-1)).toBe('shutdown');
  });

  it('every way of handing in waits for it, index-aligned', async () => {
    const schema = schemaOf(async (value) => {
      if (value === 'slow') await turn();
      return value === 'bad' ? { issues: [{ message: 'No' }] } : { value: `${value}!` };
    });
    const orders = ['slow', 'bad', 'quick'].map((name) => order(name, name));
    const expected = ['slow!', 'invalid_order', 'quick!'];
    const processor = new OrderProcessor({ schema });
    expect((await processor.submitMany(orders)).map(wordOf)).toEqual(expected);
    const streaming = new OrderProcessor({ schema });
    const streamed: string[] = [];
    for await (const outcome of streaming.submitStream(orders)) streamed.push(wordOf(outcome));
    expect(streamed).toEqual(expected);
    const enqueuing = new OrderProcessor({ schema });
    const enqueued = orders.map((each) =>
      enqueuing.enqueue(each).then(
        ({ payload }) => payload,
        ({ code }) => code,
      ),
    );
    expect(await Promise.all(enqueued)).toEqual(expected);
    await enqueuing.onIdle();
    for (const each of [processor, streaming, enqueuing]) {
      expect(await each.balance('u')).toBe(2);
      expect(each.stats()).toMatchObject({ accepted: 2, refused: 1, completed: 2 });
    }
  });

  it('leaves room for others: an order that is being checked takes none', async () => {
    const { schema, open } = slow();
    const processor = new OrderProcessor({ schema, capacity: 1 });
    const waiting = codeOf(processor.submit(order('a', 'slow')));
    expect((await processor.submit({ ...order('b', 'quick'), userId: 'v' })).status).toBe(
      'completed',
    );
    processor.pause();
    const full = codeOf(processor.submit({ ...order('c', 'quick'), userId: 'v' }));
    open('slow');
    expect(await waiting).toBe('queue_full');
    processor.resume();
    expect(await full).toBe('completed');
  });

  it('may answer with a thenable that is no promise', async () => {
    const schema = schemaOf((value) => ({
      // biome-ignore lint/suspicious/noThenProperty: a thenable is what this is about
      then: (resolve: (result: unknown) => void) => resolve({ value }),
    }));
    const processor = new OrderProcessor({ schema });
    expect((await processor.submit(order('a', 'soup'))).payload).toBe('soup');
  });
});
