/** A processor on a file, when the file fails. */
import { renameSync } from 'node:fs';
import { OrderProcessor, type Step } from 'order-processor';
import { expect, it } from 'vitest';
import { useFolder } from './helpers.ts';

const folder = useFolder();

const filler = 'x'.repeat(20_000);

/** Resolves at the next event of a name. */
function next(processor: OrderProcessor, event: 'interrupted' | 'restored'): Promise<unknown> {
  return new Promise((resolve) => {
    processor.once(event, resolve);
  });
}

it('invariant 10: a full disk is no success, and work goes on when there is room', async () => {
  const storage = await folder.open({ maxBytes: 400_000 });
  const processor = new OrderProcessor({ storage });
  await processor.ready;
  const interrupted = next(processor, 'interrupted');
  const receipts: string[] = [];
  let code: unknown;
  for (let at = 0; at < 100 && code === undefined; at += 1) {
    const order = { id: `o-${at}`, userId: 'u', amount: 1, payload: filler };
    await processor.submit(order).then(
      ({ orderId }) => receipts.push(orderId),
      (error) => {
        code = error.code;
      },
    );
  }
  expect(code).toBe('storage_failed');
  await interrupted;
  expect(processor.stats().storage).toBe('failing');
  await expect(processor.submit({ userId: 'u', amount: 1 })).rejects.toMatchObject({
    code: 'storage_failed',
    retryable: true,
  });
  expect(await processor.balance('u')).toBe(receipts.length);

  const restored = next(processor, 'restored');
  await storage.prune({ settledBefore: Date.now() + 1 });
  await restored;
  expect(processor.stats().storage).toBe('ready');
  const { balance } = await processor.submit({ userId: 'u', amount: 1 });
  // With the order whose settlement had found no room.
  expect(balance).toBe(receipts.length + 2);
  expect(await storage.check()).toEqual([]);
  await processor.shutdown();
});

it('invariants 9 and 10: orders that were accepted wait while the file is away', async () => {
  const file = folder.path();
  const storage = await folder.open();
  let goOn = (): void => {};
  const step: Step = {
    name: 'work',
    run: () => new Promise<void>((resolve) => (goOn = resolve)),
  };
  const processor = new OrderProcessor({ storage, steps: [step] });
  await processor.enqueue({ id: 'o-1', userId: 'u', amount: 5 });
  const interrupted = next(processor, 'interrupted');
  renameSync(file, `${file}.away`);
  goOn();
  await interrupted;
  await expect(processor.enqueue({ userId: 'u', amount: 1 })).rejects.toMatchObject({
    code: 'storage_failed',
  });
  const restored = next(processor, 'restored');
  renameSync(`${file}.away`, file);
  await restored;
  await processor.onIdle();
  expect(await processor.order('o-1')).toMatchObject({ status: 'completed', balance: 5 });
  await processor.shutdown();
});

it('invariant 9: a thread that ends loses nothing, and another takes over', async () => {
  const storage = await folder.open();
  const processor = new OrderProcessor({ storage });
  await processor.ready;
  const codes: string[] = [];
  const ids = Array.from({ length: 200 }, (_, at) => `o-${at}`);
  const all = ids.map((id) =>
    processor.submit({ id, userId: 'u', amount: 1 }).then(
      () => 'completed',
      ({ code }) => code as string,
    ),
  );
  await storage.killThread();
  codes.push(...(await Promise.all(all)));
  for (const code of codes) expect(['completed', 'storage_failed']).toContain(code);
  if (processor.stats().storage === 'failing') await next(processor, 'restored');
  // The same again, with the same ids: nothing is done twice.
  const again = await processor.submitMany(ids.map((id) => ({ id, userId: 'u', amount: 1 })));
  expect(again.every(({ status }) => status === 'completed')).toBe(true);
  expect(await processor.balance('u')).toBe(ids.length);
  await processor.shutdown();
  expect(processor.stats().unsettled).toBe(0);
});

it('invariant 9: what shutdown leaves goes on with the next start', async () => {
  const steps: Step[] = [
    {
      name: 'work',
      run: (_, { signal }) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    },
  ];
  const first = new OrderProcessor({ storage: await folder.open(), steps });
  for (const id of ['a', 'b', 'c']) await first.enqueue({ id, userId: 'u', amount: 1 });
  const waiting = first.submit({ id: 'b', userId: 'u', amount: 1 });
  const said = expect(waiting).rejects.toMatchObject({ code: 'shut_down', retryable: true });
  const summary = await first.shutdown({ timeoutMs: 1 });
  await said;
  expect(summary).toMatchObject({ canceled: 1, kept: 2, unsettled: [] });

  const attempts: number[] = [];
  const second = new OrderProcessor({
    storage: await folder.open(),
    steps: [{ name: 'work', run: (_, { attempt }) => void attempts.push(attempt) }],
  });
  await second.ready;
  expect(second.recovered).toBe(2);
  await second.onIdle();
  expect(attempts).toEqual([2, 2]);
  expect(await second.balance('u')).toBe(2);
  expect(await second.order('a')).toMatchObject({ status: 'canceled' });
  await second.shutdown();
});
