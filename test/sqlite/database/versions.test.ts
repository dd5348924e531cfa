/** A file that some version of the library made is opened by every later one. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { OrderProcessor } from 'order-processor';
import { expect, it } from 'vitest';
import { schemaVersion } from '../../../src/sqlite/database/schema.ts';
import { useFolder } from '../helpers.ts';

const folder = useFolder();
const dumps = join(import.meta.dirname, 'versions');
const versions = readdirSync(dumps).map((name) => Number.parseInt(name, 10));

it('there is a file of each version', () => {
  const all = Array.from({ length: schemaVersion }, (_, at) => at + 1);
  expect(versions.toSorted((one, other) => one - other)).toEqual(all);
});

it.each(versions)('invariant 9: a file of version %i has all that it had', async (version) => {
  const db = new DatabaseSync(folder.path());
  db.exec(readFileSync(join(dumps, `${version}.sql`), 'utf8'));
  db.close();

  const storage = await folder.open();
  expect(await storage.check()).toEqual([]);
  expect(await storage.find('done')).toMatchObject({
    status: 'completed',
    balance: 700,
    payload: { items: [1, 2] },
    labels: ['expedited'],
    results: { payment: { chargeId: 'c-1' } },
    amount: 700,
    orderedAmount: 710,
    steps: [{ name: 'payment', status: 'ok' }],
  });
  expect(await storage.find('declined')).toMatchObject({ code: 'payment_declined' });
  expect(await storage.find('gone')).toMatchObject({ payload: 'text', content: undefined });

  const attempts: number[] = [];
  const processor = new OrderProcessor({
    storage,
    steps: [{ name: 'payment', run: (_, { attempt }) => void attempts.push(attempt) }],
  });
  await processor.ready;
  expect((await processor.holds()).holds).toEqual([
    { userId: 'u-held', reason: 'fraud?', heldAt: 1_010 },
  ]);
  expect(processor.recovered).toBe(2);
  await processor.onIdle();
  expect(attempts).toEqual([2]);
  expect(await processor.order('waits')).toMatchObject({ status: 'completed', balance: 730 });
  expect(await processor.order('told')).toMatchObject({ status: 'canceled', code: 'canceled' });
  expect(await storage.find('waits')).not.toHaveProperty('traceContext');
  const traceContext = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' };
  await processor.submit({ id: 'traced', userId: 'u-new', amount: 1, traceContext });
  expect(await storage.find('traced')).toMatchObject({ traceContext });
  await processor.shutdown();

  const after = new DatabaseSync(folder.path(), { readOnly: true });
  expect(after.prepare('PRAGMA user_version').get()).toEqual({ user_version: schemaVersion });
  after.close();
});
