import { MemoryStorage, OrderError, OrderProcessor, refuse, type Step } from 'order-processor';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { codeOf, range } from '../../kit/helpers.ts';
import { KeptStorage } from '../../kit/kept-storage.ts';
import { TraceWitness } from '../../kit/trace-witness.ts';

let witness: TraceWitness;
beforeEach(() => {
  witness = new TraceWitness();
});
afterEach(() => witness[Symbol.dispose]());

const order = { id: 'o-1', userId: 'u-1', amount: 5 };
const refuses = (code: string) => () => {
  throw new OrderError(code, 'No');
};

describe('diagnostics channels', () => {
  it('invariant 11: publish each operation once, with what is known of it', async () => {
    const storage = new KeptStorage();
    let calls = 0;
    const charge: Step = {
      name: 'charge',
      retry: { attempts: 2, delayMs: 1, jitter: false },
      run: async () => {
        calls += 1;
        if (calls === 1) throw new OrderError('busy', 'Later');
        return 'paid';
      },
    };
    const processor = new OrderProcessor({ storage, steps: witness.watch([charge]) });
    await processor.submit({ ...order, priority: 'high' });
    await processor.shutdown();
    expect(witness.verdict()).toEqual([]);
    const [submit] = witness.of('order-processor:submit');
    expect(submit?.message).toMatchObject({
      ...{ processor, processorName: undefined, method: 'submit', status: 'accepted' },
      order: { ...order, priority: 'high' },
    });
    const [processing] = witness.of('order-processor:order');
    expect(processing?.message).toMatchObject({
      ...{ processor, status: 'completed', attempt: 1, sequence: 1, submit: submit?.message },
      order: { ...order, priority: 'high' },
      steps: [{ name: 'charge', status: 'ok', attempts: 2 }],
    });
    expect(processing?.message.waitMs).toBeGreaterThanOrEqual(0);
    const step = { step: 'charge', isCompensation: false, processing: processing?.message };
    expect(witness.of('order-processor:step').map(({ message }) => message)).toMatchObject([
      { ...step, attempt: 1, status: 'error', code: 'busy', retryInMs: 1, pausedMs: undefined },
      { ...step, attempt: 2, status: 'ok', result: 'paid', retryInMs: undefined, pausedMs: 1 },
    ]);
    const settles = witness.of('order-processor:settle');
    expect(settles.map(({ message: { size, orderIds } }) => [size, orderIds])).toEqual([
      [1, ['o-1']],
    ]);
  });

  it('invariant 11: publish compensations, and why an order failed', async () => {
    const steps: Step[] = [
      { name: 'charge', run: () => 1, compensate: async () => {} },
      { name: 'ship', after: 'charge', run: refuses('no_stock') },
    ];
    const processor = new OrderProcessor({ steps: witness.watch(steps) });
    await codeOf(processor.submit(order));
    await processor.shutdown();
    expect(witness.verdict()).toEqual([]);
    expect(
      witness
        .of('order-processor:step')
        .map(({ message: { step, isCompensation, status, code } }) => [
          ...[step, isCompensation, status, code],
        ]),
    ).toEqual([
      ['charge', false, 'ok', undefined],
      ['ship', false, 'error', 'no_stock'],
      ['charge', true, 'ok', undefined],
    ]);
    const [processing] = witness.of('order-processor:order');
    expect(processing?.message).toMatchObject({ status: 'failed', error: { code: 'no_stock' } });
  });

  it('invariant 11: publish every way in, and what becomes of it', async () => {
    const storage = new MemoryStorage();
    const steps = [{ name: 'fails', run: refuses('no_stock') }];
    const processor = new OrderProcessor({ storage, steps });
    await codeOf(processor.submit(order));
    await codeOf(processor.submit(order));
    await codeOf(processor.submit({ ...order, amount: 6 }));
    await codeOf(processor.enqueue({ ...order, userId: '' }));
    await processor.enqueue({ ...order, id: 'o-2' });
    await processor.submitMany([{ ...order, id: 'o-3' }]);
    for await (const _ of processor.submitStream([{ ...order, id: 'o-4' }]));
    await processor.retry('o-1');
    await processor.shutdown();
    await codeOf(processor.submit({ ...order, id: 'o-5' }));
    expect(witness.verdict()).toEqual([]);
    expect(
      witness
        .of('order-processor:submit')
        .map(({ message: { method, order, status, error } }) => [
          ...[method, order?.id, status, error?.code],
        ]),
    ).toEqual([
      ['submit', 'o-1', 'accepted', undefined],
      ['submit', 'o-1', 'known', undefined],
      ['submit', 'o-1', 'refused', 'order_conflict'],
      ['enqueue', undefined, 'refused', 'invalid_order'],
      ['enqueue', 'o-2', 'accepted', undefined],
      ['submitMany', 'o-3', 'accepted', undefined],
      ['submitStream', 'o-4', 'accepted', undefined],
      ['retry', 'o-1~2', 'accepted', undefined],
      ['submit', 'o-5', 'refused', 'shut_down'],
    ]);
    expect(new Set(witness.operations.map(({ message: { storage } }) => storage))).toEqual(
      new Set(['memory']),
    );
  });

  it('invariant 11: end the processing of an order that holds its lane, and begin it again', async () => {
    const processor = new OrderProcessor({
      onFailure: 'hold',
      steps: [{ name: 'fails', run: refuses('no_stock') }],
    });
    const outcome = codeOf(processor.submit(order));
    await new Promise((resolve) => processor.once('held', resolve));
    await processor.release('u-1', 'retry');
    await new Promise((resolve) => processor.once('held', resolve));
    await processor.release('u-1', 'skip');
    await outcome;
    await processor.shutdown();
    expect(witness.verdict()).toEqual([]);
    expect(
      witness
        .of('order-processor:order')
        .map(({ message: { status, attempt } }) => [...[status, attempt]]),
    ).toEqual([
      ['held', 1],
      ['held', 2],
    ]);
  });

  it('invariant 4: end everything at shutdown, even a step that never ends', async () => {
    const storage = new KeptStorage();
    const never: Step = { name: 'never', run: () => new Promise(() => {}) };
    const processor = new OrderProcessor({ storage, steps: witness.watch([never]) });
    for (const at of range(3)) await processor.enqueue({ ...order, id: `o-${at}` });
    await processor.shutdown({ timeoutMs: 1 });
    expect(witness.verdict()).toEqual([]);
    const steps = witness.of('order-processor:step').map(({ message }) => message);
    expect(steps).toMatchObject([{ step: 'never', status: 'left', code: 'canceled' }]);
  });

  it('invariant 4: end calls that wait for a storage that is silent before `shutdown` resolves', async () => {
    const storage = new KeptStorage();
    const processor = new OrderProcessor({
      storage,
      rules: [({ amount }) => amount < 0 && refuse('no', 'No')],
    });
    const codes = [
      processor.submit(order),
      processor.submit({ ...order, id: 'o-2', amount: -1 }),
      processor.enqueue({ ...order, id: 'o-3' }),
    ].map(codeOf);
    storage.cut();
    await processor.shutdown({ timeoutMs: 1 });
    expect(witness.verdict()).toEqual([]);
    expect(witness.of('order-processor:submit')).toHaveLength(3);
    expect(await Promise.all(codes)).toEqual(['shut_down', 'storage_failed', 'shut_down']);
  });

  it('invariant 11: end a call of a storage that never answers', async () => {
    const storage = new KeptStorage();
    storage.fate = async (method) => {
      if (method === 'settle') await new Promise(() => {});
      return 'works' as const;
    };
    const processor = new OrderProcessor({ storage, steps: [{ name: 'quick', run: () => 1 }] });
    const isSettling = new Promise<void>((resolve) => {
      processor.once('stepped', () => setImmediate(resolve));
    });
    const outcome = codeOf(processor.submit(order));
    await isSettling;
    await processor.shutdown({ timeoutMs: 1 });
    expect(await outcome).toBe('storage_failed');
    expect(witness.verdict()).toEqual([]);
    expect(witness.of('order-processor:order')[0]?.message.status).toBe('unknown');
    const [settle] = witness.of('order-processor:settle');
    expect(settle?.message.error).toMatchObject({ code: 'storage_failed' });
  });

  it('invariant 11: publish the orders of a call together, outside the context of any of them', async () => {
    const storage = new KeptStorage();
    const seen: unknown[] = [];
    storage.fate = async (method) => {
      if (method === 'settle') seen.push(witness.order.getStore());
      return 'works' as const;
    };
    const processor = new OrderProcessor({ storage, steps: [{ name: 'quick', run: () => 1 }] });
    await processor.submitMany(range(4).map((at) => ({ userId: `u-${at}`, amount: 1 })));
    await processor.shutdown();
    expect(witness.verdict()).toEqual([]);
    expect(new Set(seen)).toEqual(new Set([undefined]));
    const sizes = witness.of('order-processor:settle').map(({ message }) => message.size);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(4);
  });
});
