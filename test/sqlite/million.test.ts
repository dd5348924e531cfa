import { DatabaseSync } from 'node:sqlite';
import { OrderProcessor } from 'order-processor';
import { expect, it } from 'vitest';
import { collect } from '../collect.ts';
import { useFolder } from './helpers.ts';

const folder = useFolder();
const million = 1_000_000;
const capacity = 5_000;

/** As if they had been accepted by a process that was killed. */
function leaveUnsettled(file: string): void {
  const db = new DatabaseSync(file);
  db.exec(`
    PRAGMA synchronous = OFF;
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${million})
    INSERT INTO orders (id, user_id, amount, priority, status, accepted_at, life)
    SELECT 'o-' || i, 'u-' || (i % 1000), 1, 'medium', 'pending', 1700000000000, 1 FROM n;
  `);
  db.close();
}

it('invariants 6 and 9: a million unsettled orders are taken up in the memory of `capacity`', {
  timeout: 120_000,
}, async () => {
  await (await folder.open()).close();
  leaveUnsettled(folder.path());
  const storage = await folder.open();
  collect();
  const before = process.memoryUsage().heapUsed;
  let mostUnsettled = 0;
  let mostHeap = 0;
  let completed = 0;
  const processor = new OrderProcessor({ storage, capacity });
  processor.on('completed', () => {
    completed += 1;
    if (completed % 1_000 !== 0) return;
    mostUnsettled = Math.max(mostUnsettled, processor.stats().unsettled);
    if (completed % 200_000 !== 100_000) return;
    collect();
    mostHeap = Math.max(mostHeap, process.memoryUsage().heapUsed - before);
  });
  await processor.ready;
  await processor.onIdle();
  expect(processor.recovered).toBe(million);
  expect(completed).toBe(million);
  expect(mostUnsettled).toBeLessThanOrEqual(capacity);
  // A million of them would be hundreds.
  expect(mostHeap / 1e6).toBeLessThan(40);
  expect(await processor.balance('u-7')).toBe(million / 1_000);
  await processor.shutdown();
});
